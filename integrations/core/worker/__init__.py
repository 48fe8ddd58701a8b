"""Parts of a Celery worker process that Celery lacks for its thread pool.

`reserved_threads`  keeps some threads for the urgent queue
`broker_tls`        how it connects to a broker over TLS
`fetching`          what is fetched from the broker, and what goes back to it
`guard`             keeps leases, notices hung threads and memory, drains on SIGTERM, and replaces the process
"""
