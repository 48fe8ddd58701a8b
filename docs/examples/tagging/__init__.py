"""A page inside HighLevel that lists the contacts of a location, and tags them."""
