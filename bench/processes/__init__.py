"""Processes that benches start: workers, and a sandbox."""
