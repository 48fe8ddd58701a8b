"""The page of one company or location: everything about one tenant."""
