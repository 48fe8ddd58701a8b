"""The chaos test of two hosts, which are network namespaces."""
