"""Changes of records that are kept: the table, and how a merge writes into it (`sync.history` shows them)."""
