"""The tree is closed: every error has a code of its own and survives the trip to a worker."""

from __future__ import annotations

import pickle

import pytest

from integrations.core import errors
from integrations.core.errors import IntegrationError, Permanent, Retryable, Untrusted


def tree(kind: type[IntegrationError]) -> list[type[IntegrationError]]:
    return [kind, *(leaf for below in kind.__subclasses__() for leaf in tree(below))]


ALL = tree(IntegrationError)


@pytest.mark.parametrize("kind", ALL)
def test_it_survives_pickling(kind: type[IntegrationError]) -> None:
    made = kind("what to do", location="loc1", missing=None)
    if isinstance(made, Retryable):
        made.retry_after = 2.5
    back = pickle.loads(pickle.dumps(made))
    assert (type(back), str(back), back.context) == (kind, "what to do", {"location": "loc1"})
    assert getattr(back, "retry_after", None) == getattr(made, "retry_after", None)


def test_every_leaf_decides() -> None:
    undecided = [kind for kind in ALL if not issubclass(kind, (Retryable, Permanent, Untrusted))]
    assert undecided == [IntegrationError]


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in ALL]
    assert len(codes) == len(set(codes))


def test_the_docstring_draws_the_whole_tree() -> None:
    ours = [kind.__name__ for kind in ALL if kind.__module__ == errors.__name__]
    missing = [name for name in ours if name not in errors.__doc__]
    assert missing == []
