"""Random requests to the public endpoints: `make fuzz`."""
