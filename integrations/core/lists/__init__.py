"""What every list of the admin can do: a range of time, saved filters, and the export of what its filters match."""
