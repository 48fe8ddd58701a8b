"""Logging of web, worker and beat: one format, request ids, uncaught exceptions."""
