"""Tenants take turns: how many runs of others may come before a tenant's first one, counted."""

from __future__ import annotations

import pytest

from integrations.core.runs import tenant_turns
from integrations.core.runs.tenant_turns import TenantTurns


def served(turns: TenantTurns, due: dict[str, list[int]], looks: int, each: int = 1) -> list[str]:
    """The tenants in the order in which `looks` looks serve them. `due`: the moments at which their runs fell due."""
    waiting = sorted((at, tenant) for tenant, moments in due.items() for at in moments)
    order = []
    for _ in range(looks):
        chosen = turns.take([(number, tenant, 0) for number, (_, tenant) in enumerate(waiting)], each)
        order += [waiting[number][1] for number in chosen]
        waiting = [one for number, one in enumerate(waiting) if number not in chosen]
    return order


@pytest.mark.parametrize("each", [1, 3])
def test_before_a_tenants_first_run_comes_at_most_one_of_each_other(each: int) -> None:
    due = {"flood": list(range(90)), **{f"quiet{n}": [1_000 + n] for n in range(20)}}
    order = served(TenantTurns(), due, looks=-(-110 // each), each=each)
    assert order[0] == "flood", "the oldest"
    assert all(order.index(f"quiet{n}") <= 20 for n in range(20))
    assert order.count("flood") == 90, "and then it has all threads"


def test_who_becomes_due_while_another_has_all_threads_is_next() -> None:
    turns = TenantTurns()
    assert served(turns, {"flood": [1] * 90}, looks=10) == ["flood"] * 10
    assert served(turns, {"flood": [1] * 80, "new": [2]}, looks=1) == ["new"]


def test_all_backlogs_shrink_alike() -> None:
    due = {tenant: list(range(start, start + 50)) for start, tenant in enumerate(["a", "b", "c"])}
    order = served(TenantTurns(), due, looks=90)
    assert {tenant: order.count(tenant) for tenant in due} == {"a": 30, "b": 30, "c": 30}
    assert all(set(order[at : at + 3]) == set(due) for at in range(0, 90, 3))


def test_ranks_come_first() -> None:
    turns = TenantTurns()
    assert turns.take([(9, "a", 0)], 1) == [9]
    assert turns.take([(1, "b", 1), (2, "a", 1), (3, "a", 0), (4, "c", 1)], 9) == [3, 1, 4, 2]


def test_what_is_not_admitted_is_no_turn_of_its_tenant() -> None:
    """A share of the threads is used up: of each tenant the oldest run is left, and none gets two others for it."""
    turns = TenantTurns()
    due = [(number, tenant, 0) for number, tenant in enumerate(["a", "b", "c"] * 2)]
    assert turns.take(due, 3, lambda run_id: run_id in (0, 4, 5, 3)) == [0, 4, 5]


def test_it_remembers_a_limited_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_turns, "MOST_TENANTS", 2)
    turns = TenantTurns()
    turns.take([(1, "a", 0), (2, "b", 0), (3, "c", 0)], 3)
    assert turns.take([(4, "c", 0), (5, "b", 0), (6, "a", 0)], 3) == [6, 5, 4], "the first one is forgotten"
