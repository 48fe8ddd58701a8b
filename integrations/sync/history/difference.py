"""The difference of two JSON values, as the paths that changed. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 200  # paths of one difference; a value with more changed places is shown as a whole


@dataclass(frozen=True, slots=True)
class ChangedPlace:
    """One changed place: `customFields[id=x].value`. None stands for no value, too."""

    path: str
    old: Any
    new: Any

    @property
    def was(self) -> str:
        """The old value as text; empty for none."""
        return _text(self.old)

    @property
    def became(self) -> str:
        """The new value as text; empty for none."""
        return _text(self.new)


def differences(fields: Mapping[str, Any]) -> list[ChangedPlace]:
    """Of changed fields, each with its old and new value, by path. Lists of objects are compared by their ids."""
    found: list[ChangedPlace] = []
    for name, (old, new) in sorted(fields.items()):
        inside = list(_inside(name, old, new))
        found += inside if len(inside) <= MOST else [ChangedPlace(name, old, new)]
    return found


def _inside(path: str, old: Any, new: Any) -> Iterator[ChangedPlace]:
    if old == new and type(old) is type(new):
        return
    match old, new:
        case dict(), dict():
            for name in sorted(old.keys() | new.keys()):
                yield from _inside(f"{path}.{name}", old.get(name), new.get(name))
        case list(), list() if (pairs := _paired(old, new)) is not None:
            for name, was, is_now in pairs:
                yield from _inside(f"{path}[{name}]", was, is_now)
        case _:
            yield ChangedPlace(path, old, new)


def _paired(old: list[Any], new: list[Any]) -> list[tuple[str, Any, Any]] | None:
    """The items of both lists: by their ids, or one by one what plain lists gained and lost. None if neither works."""
    was, is_now = _by_id(old), _by_id(new)
    if was is not None and is_now is not None:
        return [(f"id={key}", was.get(key), is_now.get(key)) for key in [*was, *(k for k in is_now if k not in was)]]
    if all(isinstance(item, str) for item in [*old, *new]) and len({*old}) == len(old) and len({*new}) == len(new):
        gone = [("", item, None) for item in old if item not in new]
        return gone + [("", None, item) for item in new if item not in old] or None
    return None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _by_id(items: list[Any]) -> dict[str, Any] | None:
    if not all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in items):
        return None
    found = {item["id"]: item for item in items}
    return found if len(found) == len(items) else None
