"""The table of error texts is closed, and says nothing an agency must not read."""

from __future__ import annotations

from integrations.console.errors import messages
from integrations.core import errors
from integrations.core.errors import IntegrationError
from tests.support.tables import check_every


def kinds(root: type[IntegrationError]) -> list[type[IntegrationError]]:
    return [root, *(kind for below in root.__subclasses__() for kind in kinds(below))]


OURS = [kind for kind in kinds(IntegrationError) if kind.__module__ == errors.__name__]
ALL_WORDS = [*messages.BY_ERROR.values(), *messages.BY_STATUS.values(), messages.OUTAGE, messages.FORM_EXPIRED]


def test_every_error_has_words_of_its_own_branch() -> None:
    check_every(OURS, has_words_of_its_own_branch)


def has_words_of_its_own_branch(kind: type[IntegrationError]) -> None:
    words = messages.for_error(kind("internal detail"))
    assert words.title
    assert words.what_to_do
    if kind is not IntegrationError:
        assert words is not messages.BY_ERROR[IntegrationError]


def test_what_may_succeed_later_is_503() -> None:
    check_every(kinds(errors.Retryable), is_503)


def is_503(kind: type[IntegrationError]) -> None:
    assert messages.for_error(kind("x")).status == (429 if kind is errors.TooManyRequests else 503)


def test_untrusted_input_is_worded_with_the_status_of_the_tree() -> None:
    for kind in kinds(errors.Untrusted):
        if kind in messages.BY_ERROR:
            assert messages.BY_ERROR[kind].status == kind.status


def test_no_provider_is_named() -> None:
    check_every(ALL_WORDS, names_no_provider)


def names_no_provider(words: messages.ErrorText) -> None:
    text = f"{words.title} {words.message} {words.what_to_do}".lower()
    assert not any(name in text for name in ("highlevel", "high level", "leadconnector"))


def test_a_kind_nobody_worded_takes_its_nearest_ancestor() -> None:
    class Newer(errors.GrantRevoked):
        pass

    try:
        assert messages.for_error(Newer("x")) is messages.BY_ERROR[errors.GrantRevoked]
    finally:
        del Newer  # the tree is walked by other tests
