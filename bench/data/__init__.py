"""Rows of a large deployment, made by the database itself."""
