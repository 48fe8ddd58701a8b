"""Parts of operators' pages that all rooms share."""
