"""Operators of the console: roles, sign-in, second factor, sessions."""
