"""What agencies see of their accounts, after an install and inside HighLevel: progress, and problems in their words."""
