"""What of a resource is kept: which fields of its records, and which records, by filters of the vendor's listing."""
