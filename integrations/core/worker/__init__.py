"""Parts of a Celery worker process that Celery lacks for its thread pool.

`reserved_threads`  keeps some threads for the urgent queue
`guard`             keeps leases, notices hung threads and memory, drains on SIGTERM, and replaces the process
"""
