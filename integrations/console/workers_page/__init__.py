"""The page of workers and queues: which processes run and on what, how much is due, and who leads."""
