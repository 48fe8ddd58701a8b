"""A job for a real worker (`-I` with this module) that keeps a thread for longer than a lost answer may wait."""

from __future__ import annotations

import time
from typing import Any

from integrations.core.celery_tasks import task


@task("tests.hang")
def hang(**_: Any) -> None:
    time.sleep(60)
