"""Own apps: each package in this folder is a Django app of this project (`hlapp.own_apps`)."""
