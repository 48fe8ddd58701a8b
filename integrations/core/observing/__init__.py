"""Log scope: the ids that every log line of one piece of work carries, across processes."""
