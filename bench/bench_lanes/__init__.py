"""The benchmark of lanes, and its jobs."""
