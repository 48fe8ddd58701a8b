"""Lifecycle hooks: called after the commit, once for each change, in order; one that fails stops no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.tenants import change_mac, history, lifecycle_hooks
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Company, Installation
from integrations.vault import signed_tables
from tests.plugin.dispatch import send_due
from tests.support.forging import Attacks, copied, each
from tests.support.signed import transition
from tests.sync.conftest import app as app
from tests.sync.conftest import installation as installation

pytestmark = pytest.mark.django_db
What = InstallationChange.What


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    monkeypatch.setattr(lifecycle_hooks, "HOOKS", found)
    return found


def record(row: Installation, *kinds: What) -> list[InstallationChange]:
    history.add(*(row.change(what, clock.now()) for what in kinds))
    return list(row.changes.order_by("pk"))


def deliver_due() -> list[int]:
    due = list(lifecycle_hooks.take_due(100, clock.now()))
    for pk in due:
        lifecycle_hooks.deliver(pk)
    return due


def test_changes_without_a_function_are_history_and_never_due(installation: Installation) -> None:
    (change,) = record(installation, What.INSTALLED)
    assert (change.due_at, deliver_due()) == (None, [])


def test_each_function_is_called_once_for_each_change_in_order(installation: Installation) -> None:
    seen: list[tuple[str, str]] = []
    lifecycle_hooks.on("installed", "uninstalled")(lambda change: seen.append(("first", change.what)))

    @lifecycle_hooks.on("installed")
    def second(change: InstallationChange) -> None:
        seen.append(("second", change.what))

    record(installation, What.INSTALLED, What.UNINSTALLED)
    assert len(deliver_due()) == 1, "the second change of an installation waits for the first"
    while deliver_due():
        pass
    assert seen == [("first", "installed"), ("second", "installed"), ("first", "uninstalled")]
    change = installation.changes.order_by("pk")[0]
    lifecycle_hooks.deliver(change.pk)
    InstallationChange.objects.filter(pk=change.pk).update(due_at=clock.now())
    lifecycle_hooks.deliver(change.pk)
    assert len(seen) == 3, "a message that comes twice calls nothing again"


def test_one_that_fails_is_undone_called_again_and_stops_no_other(installation: Installation) -> None:
    seen: list[str] = []
    broken = [True]

    @lifecycle_hooks.on("claimed")
    def breaks(change: InstallationChange) -> None:
        Company.objects.create(id=f"half{len(seen)}", created_at=clock.now())
        if broken:
            raise ValueError("a secret of a customer")

    lifecycle_hooks.on("claimed")(lambda change: seen.append(change.what))
    (change,) = record(installation, What.CLAIMED)
    deliver_due()
    change.refresh_from_db()
    assert (seen, Company.objects.count(), change.attempts) == (["claimed"], 0, 1)
    assert change.due_at is not None
    assert change.due_at > clock.now()
    assert change.error.endswith("breaks: ValueError"), "its text stays in the log"
    broken.clear()
    InstallationChange.objects.update(due_at=clock.now())
    deliver_due()
    change.refresh_from_db()
    assert (seen, Company.objects.count(), change.due_at, change.error) == (["claimed"], 1, None, "")


def test_one_that_always_fails_is_left_until_an_operator_asks(installation: Installation) -> None:
    @lifecycle_hooks.on("claimed")
    def breaks(change: InstallationChange) -> None:
        raise ValueError

    (change,) = record(installation, What.CLAIMED)
    for _ in range(lifecycle_hooks.ATTEMPTS):
        InstallationChange.objects.update(due_at=clock.now())
        deliver_due()
    change.refresh_from_db()
    assert (change.due_at, change.attempts) == (None, lifecycle_hooks.ATTEMPTS)
    assert lifecycle_hooks.call_again(InstallationChange.objects.all()) == [change.pk]
    assert deliver_due() == [change.pk]


def test_a_worker_that_died_leaves_it_due(installation: Installation) -> None:
    class Killed(BaseException):
        """As a kill."""

    calls: list[int] = []

    @lifecycle_hooks.on("installed")
    def dies_once(change: InstallationChange) -> None:
        calls.append(Company.objects.count())
        Company.objects.create(id="effect", created_at=clock.now())
        if len(calls) == 1:
            raise Killed

    (change,) = record(installation, What.INSTALLED)
    with pytest.raises(Killed):
        deliver_due()
    assert lifecycle_hooks.take_due(100, clock.now()) == [], "not before its time is over"
    assert lifecycle_hooks.take_due(100, clock.now() + timedelta(minutes=2)) == [change.pk]
    lifecycle_hooks.deliver(change.pk)
    assert calls == [0, 0], "the first effect was undone"
    assert Company.objects.filter(id="effect").count() == 1


def test_the_dispatcher_sends_changes(installation: Installation, clean_redis: Any) -> None:
    lifecycle_hooks.on("installed")(lambda change: None)
    record(installation, What.INSTALLED)
    assert (send_due("changes of installations"), send_due("changes of installations")) == (1, 0)


@pytest.mark.slow
def test_a_change_that_is_written_calls_no_function(installation: Installation) -> None:
    seen: list[Any] = []
    lifecycle_hooks.on("installed", "uninstalled")(lambda change: seen.append((change.what, change.new)))
    (change,) = record(installation, What.INSTALLED)
    mine = InstallationChange.objects.filter(pk=change.pk)
    attacks: Attacks = {
        "inserted": lambda: (copied("tenants_installationchange", change.pk, what="'uninstalled'"), mine.delete()),
        "another kind": lambda: mine.update(what=What.UNINSTALLED),
        "another value": lambda: mine.update(new="theirs"),
        "another moment": lambda: mine.update(at=clock.now()),
        "another generation": lambda: mine.update(generation=7),
        "no MAC": lambda: mine.update(mac=None),
    }
    for name in each(attacks):
        deliver_due()
        held = InstallationChange.objects.get()
        assert (seen, held.due_at, held.error) == ([], None, change_mac.NOT_OURS), name
        assert lifecycle_hooks.call_again(InstallationChange.objects.all()) == [held.pk], name
        deliver_due()
        assert seen == [], name
        assert signed_tables.misfits() == {"tenants.InstallationChange": 1}, name
        assert signed_tables.discard("tenants.InstallationChange", [held.pk], actor="ann") == [held.pk], name
        assert signed_tables.misfits() == {}, name
    transition(clock.now() + timedelta(hours=1))
    mine.update(mac=None)
    deliver_due()
    assert seen == [("installed", None)], "one of the release before"
