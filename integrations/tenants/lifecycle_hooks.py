"""Functions that are called for changes of installations, exactly once each.

::

    @on("installed")
    def welcome(change: InstallationChange) -> None: ...

Define them in the `hooks.py` of an installed app. A function is called after the transaction that changed the
installation was committed, in a transaction of its own, which also notes that it was called. So what it writes to the
database happens exactly once for every change, even if the worker dies. It enqueues what needs the network, or a
background job does it (`@background_job(..., on="installed")`). Changes of one installation come in their order.

A function that raises is called again, with growing waits; the functions after it are called all the same. After
`ATTEMPTS` the change is left, its page says why, and an operator can have it called again. No function is called for a
change that this application did not record (`tenants.change_mac`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from integrations.core import clock, dispatch, own_apps
from integrations.core.celery_tasks import backoff
from integrations.tenants import change_mac
from integrations.tenants.installation_change import InstallationChange

Hook = Callable[[InstallationChange], None]
ATTEMPTS = 10
_RUNNING = timedelta(seconds=60)
_LONGEST_WAIT = 1800.0  # seconds
log = structlog.get_logger(__name__)

HOOKS: dict[str, dict[str, Hook]] = {}  # functions by event, then by their dotted name


def on(*events: str) -> Callable[[Hook], Hook]:
    """Register a function for changes of these kinds (`InstallationChange.What`). A system check names unknown ones.

    Raises BadRequest for a generator or an async function.
    """

    def register(hook: Hook) -> Hook:
        own_apps.check_runs_when_called(hook, f"the hook {hook.__qualname__}")
        for event in events:
            HOOKS.setdefault(event, {})[f"{hook.__module__}.{hook.__qualname__}"] = hook
        return hook

    return register


def wants(event: str) -> bool:
    """Whether any function is registered for the event."""
    return bool(HOOKS.get(event))


def deliver(change_id: int) -> None:
    """Call the functions that have not been called for this change. Does nothing while another worker does it."""
    if not _claim(change_id):
        return
    problem = ""
    for name in HOOKS.get(_what(change_id), {}):
        problem = _call(change_id, name) or problem
    _settle(change_id, problem)


def call_again(changes: QuerySet[InstallationChange]) -> list[int]:
    """Make changes due whose functions failed; their ids."""
    failed = changes.filter(due_at=None).exclude(error="")
    ids = list(failed.values_list("pk", flat=True))
    InstallationChange.objects.filter(pk__in=ids).update(due_at=clock.now(), attempts=0, error="")
    return ids


def take_due(limit: int, now: datetime) -> Collection[int]:
    """Changes whose functions are to be called (`core.dispatch.DueSource`), the oldest of each installation."""
    earlier = InstallationChange.objects.filter(
        installation=OuterRef("installation"), pk__lt=OuterRef("pk"), due_at__isnull=False
    )
    due = InstallationChange.objects.filter(~Exists(earlier), due_at__lte=now).order_by("due_at", "pk")
    with transaction.atomic():
        return dispatch.mark_sent(due, limit, due_at=now + dispatch.LOST_AFTER)


def _claim(change_id: int) -> bool:
    with transaction.atomic():
        due = InstallationChange.objects.filter(pk=change_id, due_at__isnull=False)
        return bool(dispatch.mark_sent(due, 1, due_at=clock.now() + _RUNNING))


def _what(change_id: int) -> str:
    return InstallationChange.objects.values_list("what", flat=True).get(pk=change_id)


def _call(change_id: int, name: str) -> str:
    """Call one function, unless it was called before. Returns why it failed, or an empty text."""
    rows = InstallationChange.objects.select_related("installation__app", "installation__company")
    try:
        with transaction.atomic():
            change = rows.select_for_update(of=("self",)).get(pk=change_id)
            if name in change.delivered:
                return ""
            if not change_mac.fits(change):
                log.error("lifecycle.change_not_ours", change=change_id)
                return change_mac.NOT_OURS
            HOOKS[change.what][name](change)
            InstallationChange.objects.filter(pk=change_id).update(delivered=[*change.delivered, name])
    except (OperationalError, InterfaceError):
        raise  # the database is unavailable: the change is due again when its time is over
    except Exception as error:  # a function may fail in any way, and must not stop the others
        log.exception("lifecycle.hook_failed", hook=name, change=change_id)
        return f"{name}: {type(error).__name__}"
    return ""


def _settle(change_id: int, problem: str) -> None:
    with transaction.atomic():
        change = InstallationChange.objects.select_for_update().get(pk=change_id)
        change.attempts += 1
        change.error = problem[:300]
        again = bool(problem) and problem != change_mac.NOT_OURS and change.attempts < ATTEMPTS
        wait = timedelta(seconds=backoff(change.attempts, cap=_LONGEST_WAIT))
        change.due_at = clock.now() + wait if again else None
        change.save(update_fields=["attempts", "error", "due_at"])
