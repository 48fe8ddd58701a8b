"""The history of records: differences between old and new values, who made them, and how long they are kept."""
