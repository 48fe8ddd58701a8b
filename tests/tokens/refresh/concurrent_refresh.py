"""Workers that want one fresh token at once.

`python -m tests.tokens.refresh.concurrent_refresh CLIENT_ID LOCATION THREADS` is how a test starts a process of them.
Says "ready" when everything is imported. For each line on standard input it begins again and prints what each worker
got.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from importlib import import_module

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hlapp.settings")
    django.setup()
    access_token, store = (
        import_module("integrations.tokens.access.access_token"),
        import_module("integrations.tokens.store"),
    )
    access_cache = import_module("integrations.tokens.access_cache")
    apps, lanes = import_module("integrations.tenants.models"), import_module("integrations.quota.permits.lanes")
    connection = import_module("django.db").connection
    client_id, location_id, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    key = store.location(apps.App.objects.get(client_id=client_id), location_id)
    connection.close()

    def want(got: list[str], begin: threading.Barrier) -> None:
        begin.wait()
        try:
            token = access_token.get(key, lane=lanes.Lane.BULK).token.reveal()
            got.append(hashlib.sha256(token.encode()).hexdigest())
        except Exception as error:
            got.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        access_cache.clear()  # what it knows of the token from an earlier time
        got: list[str] = []
        begin = threading.Barrier(count)
        threads = [threading.Thread(target=want, args=(got, begin)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdout.write(f"{json.dumps(got)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
