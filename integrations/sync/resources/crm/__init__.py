"""Resources about people, conversations, appointments, and what a location defines for them."""
