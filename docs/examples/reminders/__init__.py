"""Reminds of the appointments of the next day, once each."""
