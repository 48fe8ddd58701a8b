"""The page of variables: what this process read from its environment."""
