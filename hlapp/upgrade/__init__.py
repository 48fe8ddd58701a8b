"""Upgrades while everything runs: what migrations lock and break, and the plan of an upgrade."""
