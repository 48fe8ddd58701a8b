"""Full walks: how often everything of a resource is read, and at which time."""
