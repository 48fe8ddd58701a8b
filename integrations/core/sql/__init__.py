"""Statements that rooms share."""
