"""A page for operators that lists the contacts of a location, and tags them."""
