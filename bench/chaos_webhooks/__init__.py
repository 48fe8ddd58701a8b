"""The chaos test of webhooks, and the deployment that other chaos tests use too."""
