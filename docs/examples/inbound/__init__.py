"""Notes each message that comes in, and moves the open opportunities of its contact on."""
