"""The tree is closed: it is drawn as it is, codes are stable, and every error survives the trip to a worker."""

from __future__ import annotations

import pickle
import re
from types import ModuleType

import pytest

from integrations.core import errors
from integrations.core.errors import (
    IntegrationError,
    MissingPermit,
    Permanent,
    Retryable,
    ScopeMissing,
    Unreachable,
    Untrusted,
    VendorAnswer,
)
from integrations.highlevel import errors as vendor_errors
from integrations.webhooks import endpoint, settle

ANSWER = VendorAnswer(
    status=422, message="no", trace_id="t-1", details=("a", "b"), body={"code": "x", "meta": {"wait": 3}}
)


ROOMS_WITH_ERRORS = (endpoint, settle)  # imported for their subclasses, which are leaves of the tree too


def tree(kind: type[IntegrationError]) -> list[type[IntegrationError]]:
    return [kind, *(leaf for below in kind.__subclasses__() for leaf in tree(below))]


ALL = tree(IntegrationError)


def made(kind: type[IntegrationError]) -> IntegrationError:
    """One with all that this kind can carry."""
    error = kind("what to do", location="loc1", missing=None, vendor=ANSWER, reason="wrong_level")
    error.operation = "contacts.get-contact"
    error.annotate(run=7)
    if isinstance(error, Retryable):
        error.retry_after, error.permit = 2.5, MissingPermit("app", "loc1", "bulk", "burst")
    if isinstance(error, Unreachable):
        error.sent = False
    if isinstance(error, ScopeMissing):
        error.missing, error.not_requested, error.reconnect_url = ("a", "b"), ("b",), "https://example.com/"
    return error


@pytest.mark.parametrize("kind", ALL)
def test_it_survives_pickling(kind: type[IntegrationError]) -> None:
    sent = made(kind)
    back = pickle.loads(pickle.dumps(sent))
    assert (type(back), str(back), back.context, vars(back)) == (kind, "what to do", sent.context, vars(sent))
    called = {"operation": "contacts.get-contact", "reason": "wrong_level"}
    assert {"location": "loc1", "run": 7, **called}.items() <= back.context.items()
    assert (back.operation, back.reason) == (called["operation"], called["reason"])
    assert (back.vendor.body, back.context["status"], back.context["trace_id"]) == (ANSWER.body, 422, "t-1")


@pytest.mark.parametrize("kind", ALL)
def test_the_context_shows_what_is_known_and_nothing_else(kind: type[IntegrationError]) -> None:
    bare = kind("what to do", location="loc1", missing=None).context
    of_the_class = {"sent", "mint_refused", "ambiguous"}
    assert {name: value for name, value in bare.items() if name not in of_the_class} == {"location": "loc1"}
    assert "body" not in made(kind).context


def test_every_leaf_decides() -> None:
    undecided = [kind for kind in ALL if not issubclass(kind, (Retryable, Permanent, Untrusted))]
    assert undecided == [IntegrationError]


def test_a_code_is_one_branchs_own() -> None:
    """Codes are stored and shown: only a subclass that refines a decision has its parent's."""
    own = [kind.code for kind in ALL if "code" in vars(kind)]
    assert len(own) == len(set(own))
    shared = {kind.__name__ for kind in ALL if "code" not in vars(kind)}
    refined = {"NoPermit", "VendorThrottled", "MintRefused", "ClientOrGrantRejected", "OtherAccount", "BrokenOff"}
    assert shared == refined | {"Unexplained401"}


@pytest.mark.parametrize("module", [errors, vendor_errors])
def test_the_docstring_draws_the_whole_tree(module: ModuleType) -> None:
    above: list[str] = []
    drawn = {}
    for prefix, name in re.findall(r"^    ((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)\b", module.__doc__ or "", re.M):
        del above[len(prefix) // 4 :]
        drawn[name] = above[-1] if above else None
        above.append(name)
    built = {kind.__name__: kind.__mro__[1].__name__ for kind in ALL if kind.__module__ == module.__name__}
    root = next(iter(drawn))
    assert {name: parent for name, parent in drawn.items() if name != root} == {
        name: parent for name, parent in built.items() if name != root
    }
