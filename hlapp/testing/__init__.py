"""Test kit of own apps, a pytest plugin: HighLevel as a fake that behaves, an installed location, time that advances.

A project asks for it with `-p hlapp.testing.plugin` in pytest's `addopts`. It is no entry point of pytest, because it
starts servers and sets Django up: another project's tests in the same environment should not get that.
"""
