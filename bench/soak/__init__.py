"""Soak: everything runs for an hour under steady load, with faults and kills; `python -m bench.soak --minutes 60`."""
