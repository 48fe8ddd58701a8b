"""What can be synced and what is: choices, their cost, and how much of the vendor's API that covers."""
