"""`python -m tests.tokens.refresh.outage DIRECTORY`: refreshes while servers that are really there really go away.

It runs servers of its own below the directory, so that stopping them harms no other test. Each story has a location of
its own. Prints one line of JSON: what each story found.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import django

from hlapp import embedded
from tests.plugin import environment


class Stage:
    """The servers, and what a story does with them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = embedded.start(directory / "database", durable=True, redis=False)
        self.redis = embedded.start(directory / "redis", durable=True, database=False)
        os.environ["SPOOL_DIR"] = str(directory / "spool")
        os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = self.database.database_url, self.redis.redis_url

    def stop_database(self) -> None:
        self.database.stop()

    def start_database(self) -> None:
        """On the port it had: its home remembers."""
        self.database = embedded.start(self.directory / "database", durable=True, redis=False)

    def stop_redis(self) -> None:
        self.redis.stop()

    def start_redis(self) -> None:
        self.redis = embedded.start(self.directory / "redis", durable=True, database=False)

    def stop(self) -> None:
        self.database.stop()
        self.redis.stop()


def main() -> None:
    environment.isolate(os.environ)
    os.environ["LOG_LEVEL"] = "CRITICAL"
    stage = Stage(Path(sys.argv[1]))
    try:
        django.setup()
        import_module("django.core.management").call_command("migrate", verbosity=0)
        found = _tell_all(stage)
    finally:
        stage.stop()
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # what is left are pools that would wait for servers which are gone


def _tell_all(stage: Stage) -> dict[str, Any]:
    plugin = import_module("tests.plugin.vendor")
    store, clock = import_module("integrations.tokens.store"), import_module("integrations.core.clock")
    running = plugin.run_vendor(locations=len(STORIES))
    vendor = next(running)
    app, found = plugin.make_app(vendor), {}
    for story, location in zip(STORIES, vendor.locations, strict=True):
        grant = plugin.location_grant(vendor, app, location)
        row = store.save_grant(store.location(app, str(grant.location_id)), grant, now=clock.now())
        found[story.__name__] = story(stage, row)
    threading.Thread(target=lambda: next(running, None), daemon=True).start()
    return found


def database_lost_after_the_answer(stage: Stage, row: Any) -> dict[str, Any]:
    return _lost_at(row, "answered", stage.stop_database, stage.start_database)


def database_lost_before_the_call(stage: Stage, row: Any) -> dict[str, Any]:
    return _lost_at(row, "before", stage.stop_database, stage.start_database)


def redis_lost_in_between(stage: Stage, row: Any) -> dict[str, Any]:
    return _lost_at(row, "claimed", stage.stop_redis, stage.start_redis)


def both_lost_after_the_answer(stage: Stage, row: Any) -> dict[str, Any]:
    def stop() -> None:
        stage.stop_redis()
        stage.stop_database()

    def start() -> None:
        stage.start_database()
        stage.start_redis()

    return _lost_at(row, "answered", stop, start)


def _lost_at(row: Any, step: str, stop: Callable[[], None], start: Callable[[], None]) -> dict[str, Any]:
    refreshing = import_module("integrations.tokens.refresh.claim_call_swap")
    tasks, rows = import_module("integrations.tokens.tasks"), import_module("integrations.tokens.models").Credential
    steps = import_module("tests.tokens.refresh.steps")
    with steps.watched(lambda name: stop() if name == step else None):
        raised = _attempt(refreshing, row.pk)
    spooled = len(list(Path(os.environ["SPOOL_DIR"]).rglob("pair-*")))
    start()
    began = time.monotonic()
    while time.monotonic() - began < 60:
        try:
            tasks.sweep()
            if rows.objects.get(pk=row.pk).generation > row.generation or step == "before":
                break
        except Exception:  # a server on its way up: beat would come again
            time.sleep(0.5)
    standing = rows.objects.get(pk=row.pk)
    again = _attempt(refreshing, row.pk)
    left = len(list(Path(os.environ["SPOOL_DIR"]).rglob("pair-*")))
    return {
        "raised": raised,
        "spooled": spooled,
        "left": left,
        "generations": standing.generation - row.generation,
        "state": standing.state,
        "again": again,
    }


def _attempt(refreshing: Any, credential_id: int) -> str:
    try:
        refreshing.refresh(credential_id)
    except Exception as error:
        return type(error).__name__
    return "done"


STORIES: tuple[Callable[[Stage, Any], dict[str, Any]], ...] = (
    database_lost_after_the_answer,
    database_lost_before_the_call,
    both_lost_after_the_answer,
    redis_lost_in_between,
)


if __name__ == "__main__":
    main()
