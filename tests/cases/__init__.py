"""Inputs that public reports name, in our values: each is a file of the folder of its kind, with what is right."""
