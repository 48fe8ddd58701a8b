"""Benchmarks: each file measures one room, and in the same run the same work done by the libraries alone."""
