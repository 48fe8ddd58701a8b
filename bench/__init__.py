"""Benchmarks: each file measures one room beside the same work done by the libraries alone, in the same run."""
