"""One search over everything that operators look for."""
