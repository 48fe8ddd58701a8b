"""Signing in and out: pages, the forms, the back-off after failures."""
