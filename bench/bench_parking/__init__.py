"""The benchmark of parking, and its tasks."""
