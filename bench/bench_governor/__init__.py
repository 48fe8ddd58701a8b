"""The benchmark of the governor, its processes, and the limiters beside it."""
