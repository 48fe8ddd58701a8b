"""Own app of `bench.soak`: jobs and a handler that write to the vendor, each write with a text that names its cause."""
