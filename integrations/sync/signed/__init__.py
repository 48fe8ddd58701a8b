"""MACs over plans, runs and choices (`vault.row_macs`): no sync that was not chosen here."""
