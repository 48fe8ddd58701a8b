"""How late the copy is: from the receipt of a webhook to the record."""
