"""Every exception httpx2 has is mapped, and the most specific row wins."""

from __future__ import annotations

from collections.abc import Iterator

import httpcore2
import httpx2
import pytest
from httpx2._transports.default import map_httpcore_exceptions

from integrations.core.errors import BadRequest, IntegrationError, Unreachable
from integrations.highlevel.http import network_errors
from tests.support.tables import check_every

# Never met by a client that neither streams to its callers nor listens to events; a new name has to choose.
UNDER_THEIR_BASE = {
    httpx2.RequestNotRead: httpx2.StreamError,
    httpx2.ResponseNotRead: httpx2.StreamError,
    httpx2.StreamClosed: httpx2.StreamError,
    httpx2.StreamConsumed: httpx2.StreamError,
    httpx2.SSEError: httpx2.TransportError,
}


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


def exceptions_of_httpx2() -> list[type[Exception]]:
    return [value for value in vars(httpx2).values() if isinstance(value, type) and issubclass(value, Exception)]


def instance(kind: type[Exception]) -> Exception:
    fault = kind.__new__(kind)
    Exception.__init__(fault, "Illegal header value b'Bearer secret-token'")
    return fault


def test_each_exception_is_caught_and_has_the_row_meant_for_it():
    check_every(exceptions_of_httpx2(), is_caught_and_has_the_row_meant_for_it)


def is_caught_and_has_the_row_meant_for_it(kind):
    assert issubclass(kind, network_errors.FOREIGN)
    winner = next(row for row in network_errors.ROWS if issubclass(kind, row[0]))
    assert winner[0] is UNDER_THEIR_BASE.get(kind, kind)


def test_the_tree_has_no_branch_outside_the_public_names():
    roots = {kind for kind in exceptions_of_httpx2() if kind.__module__.startswith("httpx2")}
    found = {kind for root in roots for kind in below(root) if kind.__module__.startswith("httpx2")}
    assert found == roots
    assert {row[0] for row in network_errors.ROWS} == roots - set(UNDER_THEIR_BASE)


def test_no_row_hides_a_later_one():
    kinds = [row[0] for row in network_errors.ROWS]
    hidden = [
        (first.__name__, later.__name__)
        for n, first in enumerate(kinds)
        for later in kinds[n + 1 :]
        if issubclass(later, first)
    ]
    assert hidden == []


def test_the_mapped_error_quotes_nothing_foreign():
    check_every(exceptions_of_httpx2(), quotes_nothing_foreign)


def quotes_nothing_foreign(kind):
    error = network_errors.mapped(instance(kind), operation="x")
    assert isinstance(error, IntegrationError)
    assert "secret-token" not in f"{error} {error.context}"
    assert error.context["cause"] == kind.__name__
    assert isinstance(error.context["sent"], bool)


@pytest.mark.parametrize(
    ("kind", "expected", "sent"),
    [
        (httpx2.ConnectTimeout, Unreachable, False),
        (httpx2.PoolTimeout, Unreachable, False),
        (httpx2.ConnectError, Unreachable, False),
        (httpx2.ProxyError, Unreachable, False),
        (httpx2.ReadTimeout, Unreachable, True),
        (httpx2.WriteTimeout, Unreachable, True),
        (httpx2.ReadError, Unreachable, True),
        (httpx2.WriteError, Unreachable, True),
        (httpx2.RemoteProtocolError, Unreachable, True),
        (httpx2.LocalProtocolError, BadRequest, False),
        (httpx2.UnsupportedProtocol, BadRequest, False),
    ],
)
def test_whether_the_request_may_have_had_its_effect(kind, expected, sent):
    error = network_errors.mapped(instance(kind))
    assert type(error) is expected
    assert error.context["sent"] is sent


def test_what_is_not_of_httpx2_is_not_swallowed():
    with pytest.raises(TypeError):
        network_errors.mapped(KeyError("x"))


def test_it_is_said_who_was_asked():
    check_every([row[0] for row in network_errors.ROWS], says_who_was_asked)


def says_who_was_asked(kind):
    message = str(network_errors.mapped(instance(kind), peer="the file's host"))
    assert "HighLevel" not in message
    assert "{" not in message


def exceptions_of_httpcore2() -> list[type[Exception]]:
    """Those that reach a caller of its pool: the pool itself takes another connection for one that is not available."""
    kinds = [value for value in vars(httpcore2).values() if isinstance(value, type) and issubclass(value, Exception)]
    return [kind for kind in kinds if kind is not httpcore2.ConnectionNotAvailable]


def test_an_exception_of_httpcore2_is_mapped_as_the_one_that_httpx2_makes_of_it():
    assert len(exceptions_of_httpcore2()) >= 14
    check_every(exceptions_of_httpcore2(), is_mapped_as_the_one_of_httpx2)


def is_mapped_as_the_one_of_httpx2(kind):
    assert issubclass(kind, network_errors.FOREIGN)
    with pytest.raises(httpx2.HTTPError) as raised, map_httpcore_exceptions():
        raise instance(kind)
    error, expected = network_errors.mapped(instance(kind)), network_errors.mapped(raised.value)
    assert (type(error), str(error), error.context) == (type(expected), str(expected), expected.context)
