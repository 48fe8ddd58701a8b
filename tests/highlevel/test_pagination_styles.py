"""The table of listings against the catalogue and the vendor's files: none is missing, and each row fits."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from integrations.highlevel.catalogue import Operation, catalogue, fields
from integrations.highlevel.pagination import guesses
from integrations.highlevel.pagination.guesses import pages_by
from integrations.highlevel.pagination.pages import ANYWHERE, Style, read
from integrations.highlevel.pagination.styles import NO_PAGES, STYLES, style_of, why_not
from tests.gateway_operations import specification
from tests.gateway_operations.specification import Specified
from tests.sandbox import reference
from tests.support.tables import check_every

DIALECTS = pytest.mark.parametrize("dialect", ["v2", "v3"])
EVERY = [(dialect, key) for dialect, table in STYLES.items() for key in table]
# Answers that are not what the vendor's files say, and how they are known.
NOT_AS_DESCRIBED = {
    "contacts.get-contacts": "live answers have the total in `meta` (FACTS 7); the schema knows a `count`",
    "saas-api.get-saas-locations": "no schema; as its deprecated name",
    "saas.get-saas-locations": "no schema; as its deprecated name",
    "social-media-posting.get-upload-status": "the schema has one object for the list; in v3 it is a list",
    "contacts.search-contacts-advanced": "an empty schema (FACTS 7)",
}
TOTALS = re.compile(r"(.*\.)?total(Count|Records|Links)?")
TOTALS_NOT_TAKEN = {
    "conversation-ai.search-agent": "counts all agents of the location, whatever the query",
    "emails.fetch-campaigns": "is described as a list",
}
LARGEST = re.compile(
    r"max(?:imum)?(?: allowed value)? (?:is )?(\d+)|up to (?:maximum )?(\d+)|maximum up to (\d+)|1-(\d+)"
)


@DIALECTS
def test_what_looks_like_a_listing_has_a_style_or_a_reason(dialect):
    looks = {operation.key for operation in catalogue(dialect).operations() if pages_by(operation)}
    named = {key for key in looks if key.partition(".")[2] in NO_PAGES}
    guessed = set(guesses.committed().get(dialect, {}))
    assert looks - named - guessed == set(STYLES[dialect]), "update the catalogue, or give it a row or a reason"
    assert len(looks) > 80


def test_a_reason_is_for_an_operation_that_is_there():
    ends = {o.operation_id for dialect in ("v2", "v3") for o in catalogue(dialect).operations() if pages_by(o)}
    assert set(NO_PAGES) <= ends
    assert all(len(reason) > 20 for reason in NO_PAGES.values())
    assert "social network" in why_not("social-planner.start-oauth")
    assert why_not("locations.get-location") == "its answer is whole"


def test_a_style_sends_what_its_operation_takes():
    check_every(EVERY, sends_what_its_operation_takes)


def sends_what_its_operation_takes(dialect, key):
    operation, style = catalogue(dialect).operation(key), STYLES[dialect][key]
    body = style.part == "body"
    types = dict(operation.body.properties) if body else {p.name: p.type for p in operation.params}
    first = style.first()
    assert {*first, *style.cursor} <= set(types)
    assert set(first) | set(style.cursor) >= needed(operation), "the vendor wants it with the first page"
    assert style.text == (body and types[style.size] == "string")
    sizes = {"limit", "pageSize", "pageLimit", "pageLength"} & pages_by(operation)
    assert {style.size} - {""} == sizes


def needed(operation: Operation) -> set[str]:
    body = operation.body.needs if operation.body else ()
    return ({p.name for p in operation.params if p.required} | set(body)) & pages_by(operation)


def test_every_listing_is_walked_to_its_end():
    """With a server made from the style's own names: each page of two, five rows."""
    check_every(EVERY, is_walked_to_its_end)


def is_walked_to_its_end(dialect, key):
    style = STYLES[dialect][key]
    sent, trail, seen = style.first(2), None, []
    for _ in range(9):
        page = read(style, sent, served(style, sent), trail=trail)
        seen += [row["id"] for row in page.items]
        if page.next is None:
            break
        assert set(page.next) - set(sent) <= set(style.cursor)
        assert {type(page.next[name]) for name in style.cursor if name in page.next} <= ({str} if style.text else KINDS)
        sent, trail = page.next, page.trail
    assert seen == ["r0", "r1", "r2", "r3", "r4"]


KINDS = {int, str, list}


def served(style: Style, sent: dict[str, Any], everything: Sequence[int] = range(5)) -> dict[str, Any] | list[Any]:
    """What a vendor would answer who reads the cursor, whatever its name, and gives every hint that a style seeks.
    `everything` are the numbers of the rows there are, in order."""
    start = begin(style, sent, everything)
    rows = [{"id": f"r{n}", "searchAfter": [n], "sort": [n]} for n in everything[start : start + 2]]
    more = start + len(rows) < len(everything)
    at, last = (rows[-1]["sort"][0], rows[-1]["id"]) if rows else (None, None)
    hints = {"hasMore": more, "nextPage": more, "hasNextPage": more, "hasNext": more}
    hints |= dict.fromkeys(("nextCursor", "nextPageToken"), last if more else None)
    hints |= {"startAfter": at, "startAfterId": last, "lastMessageId": last, "lastFaqId": last}
    hints |= {"lastKnowledgeBaseId": last}
    if style.items == (ANYWHERE,):
        return rows if start else {"data": {"rows": rows, "count": len(rows)}}
    answer: dict[str, Any] = {**hints, "meta": dict(hints), "pagination": dict(hints)}
    put(answer, style.items[-1], rows, hints)
    for path in style.total[:1]:
        put(answer, path, len(everything), hints)
    return answer


def put(answer: dict[str, Any], path: str, value: Any, hints: dict[str, Any]) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        answer = answer.setdefault(parent, dict(hints))
    answer[name] = value


def begin(style: Style, sent: dict[str, Any], everything: Sequence[int]) -> int:
    """The position of the first row. Some cursors are positions, others name the row before (perhaps deleted)."""
    if style.begins(sent):
        return 0
    name = next(name for name in reversed(style.cursor) if sent.get(name))
    value = sent[name]
    if name == "page":
        return (value - dict(style.start)["page"]) * 2
    if name in ("skip", "offset"):
        return int(value)
    return bisect_right(everything, int(str(value).strip("[]r'")))


MOVES: dict[str, Callable[[list[int]], None]] = {
    "one comes first": lambda everything: everything.insert(0, everything[0] - 1),
    "one comes last": lambda everything: everything.append(everything[-1] + 1),
    "the first goes": lambda everything: everything.__delitem__(0),
    "the last goes": lambda everything: everything.__delitem__(-1),
}


@pytest.mark.parametrize("move", MOVES)
def test_every_listing_ends_while_it_moves_and_brings_no_page_twice(move):
    check_every([(*row, move) for row in EVERY], ends_and_brings_no_page_twice)


def ends_and_brings_no_page_twice(dialect, key, move):
    style = STYLES[dialect][key]
    everything = list(range(100, 113))
    stayed = set(everything)
    sent, trail, pages = style.first(2), None, []
    while not pages or sent is not None:
        assert len(pages) < 30, "the listing does not end"
        page = read(style, sent, served(style, sent, everything), trail=trail)
        pages.append(tuple(int(row["id"].strip("r")) for row in page.items))
        if len(pages) <= 4:
            MOVES[move](everything)
            stayed &= set(everything)
        sent, trail = page.next, page.trail
    full = [page for page in pages if page]
    assert len(full) >= 3
    assert len(full) == len(set(full))
    if not {"page", "skip", "offset"} & set(style.cursor) or move != "the first goes":
        assert stayed <= {row for page in full for row in page}, "only a position among moving rows may miss one"


@pytest.fixture(scope="module")
def described() -> dict[tuple[str, str], Specified]:
    """Every operation of the vendor's files."""
    reference.require()
    return {(d, o.key): o for d in ("v2", "v3") for o in specification.operations(d)}


def test_rows_and_total_are_where_the_vendor_describes_them(described):
    check_every(EVERY, lambda *row: has_rows_and_total_where_described(*row, described[row]))


def has_rows_and_total_where_described(dialect, key, operation):
    style = STYLES[dialect][key]
    paths = dict(described_paths(operation))
    lists = {path for path, kind in paths.items() if kind == "array" and path.rpartition(".")[2] != "total"}
    totals = {path for path in paths if TOTALS.fullmatch(path)}
    if key in NOT_AS_DESCRIBED:
        assert not (set(style.items) & lists and set(style.total) <= totals), "it is described now: remove the reason"
    elif style.items == (ANYWHERE,):
        assert lists <= {""}, "the vendor describes a list: name it"
    else:
        assert set(style.items) & lists
        assert not style.total or set(style.total) & totals
        assert bool(style.total) == bool(totals) or key in TOTALS_NOT_TAKEN


def test_no_page_is_larger_than_the_vendor_takes(described):
    check_every(EVERY, lambda *row: asks_for_no_larger_page_than_described(*row, described[row]))


def asks_for_no_larger_page_than_described(dialect, key, operation):
    style = STYLES[dialect][key]
    for parameter in operation.parameters("query"):
        if parameter["name"] == style.size:
            said = LARGEST.search(parameter.get("description", ""))
            largest = parameter["schema"].get("maximum") or (said and int(next(filter(None, said.groups()))))
            assert not largest or style.first()[style.size] <= largest
            assert not largest or style.most == min(largest, 100)


def described_paths(operation: Specified) -> Iterator[tuple[str, str]]:
    """(path, type) of what the answer's schema names, two levels deep."""
    _, schema = operation.answer
    if schema is not None:
        yield from _paths(schema, operation.document, "", 3)


def _paths(schema: dict[str, Any], document: dict[str, Any], path: str, depth: int) -> Iterator[tuple[str, str]]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    properties = dict(schema.get("properties", {}))
    kind = schema.get("type") or ("object" if properties or "allOf" in schema else "any")
    yield path, kind if isinstance(kind, str) else kind[0]
    if depth:
        for name, inner in properties.items():
            yield from _paths(inner, document, f"{path}.{name}" if path else name, depth - 1)
        for part in schema.get("allOf", ()):
            yield from ((p, k) for p, k in _paths(part, document, path, depth) if p != path)


def test_only_the_dialects_differ_where_the_vendor_does():
    assert style_of("oauth.get-installed-location", "v3").size == "pageSize"
    assert style_of("contacts.get-contacts", "v3") is None
    assert style_of("contacts.get-contact") is None


def test_a_guess_is_what_an_engineer_wrote():
    """Of the listings that have a row, for most the guess finds the same parameters and the same rows."""
    same = wrong = 0
    inside = {dialect: fields.committed(dialect) for dialect in STYLES}
    for dialect, key in EVERY:
        operation, style = catalogue(dialect).operation(key), STYLES[dialect][key]
        answer = inside[dialect].get(key, {}).get("response fields", {})
        found = guesses.style(guesses.guess(operation, answer) or {})
        if found is not None and found.cursor == style.cursor:
            agrees = found.items == style.items or ANYWHERE in (*found.items, *style.items)
            same, wrong = same + agrees, wrong + (not agrees)
    assert same > 4 * (wrong + 1)
    assert same > len(EVERY) / 2
