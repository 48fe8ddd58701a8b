"""Variants: further listings of a resource, each with filters, an interval and a plan of its own."""
