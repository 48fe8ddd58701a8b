"""The benchmark of webhooks, and the bare work beside it."""
