"""Help with a refused call: what to do, whom to send what, and a report to copy."""
