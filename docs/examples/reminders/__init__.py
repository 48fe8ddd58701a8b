"""Reminds of the appointments of the next day, every evening, once each."""
