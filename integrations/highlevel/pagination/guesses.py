"""Guessed pagination styles of operations that came with a newer catalogue and have no row in `styles` yet.

`manage.py catalogue update` guesses from the names of parameters and from the described answer, and commits the guesses
as a file. They are marked wherever they show. An engineer who has looked writes a row into `styles`, or a reason into
`NO_PAGES`, and the guess goes with the next update. A wrong guess loses no rows silently: a page that comes again, and
an end that contradicts the answer, are errors (`pages`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from integrations.highlevel.catalogue import Operation
from integrations.highlevel.catalogue.fields import Kinds
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.pagination.families import body_skips, numbers, offsets, skips, tokens
from integrations.highlevel.pagination.pages import ANYWHERE, Style

FILE = "guesses.json"
# Parameters by which some operation of the vendor's pages, or might one day.
PAGING = re.compile(
    r"skip|offset|limit|cursor|next|page(Number|Size|Limit|Length|Token)?|per_?[pP]age|size|take"
    r"|(start|search)After\w*|last(Doc|\w+Id)"
)
_SIZES = ("limit", "pageSize", "pageLimit", "perPage")
Guess = Mapping[str, str]  # `family` and what it needs: `items`, `size`, `name`, `path`
Guesses = Mapping[DialectName, Mapping[str, Guess]]  # by dialect and operation; an empty one: there is no guess


def pages_by(operation: Operation) -> set[str]:
    """The names of the operation's parameters that look like paging."""
    names = {p.name for p in operation.params if p.part == "query"}
    if operation.method == "POST" and operation.body is not None:
        names |= set(operation.body.properties)
    return {name for name in names if PAGING.fullmatch(name)}


def guess(operation: Operation, answer: Kinds) -> Guess | None:
    """The likeliest style by the fields of the operation's answer; None for what is no listing, {} for no idea."""
    names = pages_by(operation)
    if not names:
        return None
    items, size = _items(answer), next((name for name in _SIZES if name in names), "")
    in_query = names <= {p.name for p in operation.params}
    if {"limit", "skip"} <= names:
        return {"family": "skips" if in_query else "body_skips", "items": items}
    if not in_query:
        return {}
    if {"limit", "offset"} <= names:
        return {"family": "offsets", "items": items}
    for name, ends in (("pageToken", "nextPageToken"), ("cursor", "nextCursor")):
        path = next((path for path in answer if path.rpartition(".")[2] == ends), "")
        if name in names and path:
            return {"family": "tokens", "items": items, "size": size, "name": name, "path": path}
    return {"family": "numbers", "items": items, "size": size} if "page" in names else {}


def style(row: Guess) -> Style | None:
    """The style of a guess; None where there is no guess."""
    match row.get("family"):
        case "skips":
            return skips(row["items"])
        case "body_skips":
            return body_skips(row["items"])
        case "offsets":
            return offsets(row["items"])
        case "numbers":
            return numbers(row["items"], "", row["size"])
        case "tokens":
            return tokens(row["items"], "", row["size"], row["name"], row["path"])
    return None


@cache
def committed() -> Guesses:
    """The committed guesses."""
    found: Guesses = json.loads(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return found


@cache
def styles(dialect: DialectName) -> Mapping[str, Style]:
    """The styles of the committed guesses, by operation."""
    return styles_of(committed().get(dialect, {}))


def styles_of(rows: Mapping[str, Guess]) -> dict[str, Style]:
    """The styles of guesses, by operation."""
    return {key: found for key, row in rows.items() if (found := style(row)) is not None}


def text_of(found: Guesses) -> str:
    """The text of the committed file."""
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def _items(answer: Kinds) -> str:
    """The path of the only list of objects in the answer, else of its only list; ANYWHERE without a single one."""
    lists = {path: kind for path, kind in answer.items() if kind.rstrip("!").endswith("[]") and "[]" not in path}
    of_objects = [path for path, kind in lists.items() if kind.startswith("object")]
    return _only(of_objects) or _only(lists) or ANYWHERE


def _only(paths: Iterable[str]) -> str:
    found = list(paths)
    return found[0] if len(found) == 1 else ""
