"""How late the copy is: from the receipt of a webhook, and from the request of a full listing, to the record."""
