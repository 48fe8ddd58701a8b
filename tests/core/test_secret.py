from __future__ import annotations

import json
import logging
import pickle
import traceback

import pytest

from integrations.core.secret import Secret

CANARY = "canary-a1b2c3"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{0!r:>40}".format, lambda s: f"{s:>40}", lambda s: f"{[s]}"])
def test_no_way_of_printing_shows_it(show) -> None:
    assert CANARY not in show(Secret(CANARY))


def test_it_does_not_travel() -> None:
    with pytest.raises(TypeError, match="cannot be serialized"):
        pickle.dumps(Secret(CANARY))
    with pytest.raises(TypeError):
        json.dumps({"token": Secret(CANARY)})


def test_logs_and_tracebacks_do_not_show_it(caplog) -> None:
    token = Secret(CANARY)
    try:
        raise ValueError(f"failed for {token}")
    except ValueError:
        logging.getLogger("x").exception("with %s and %r", token, token)
        assert CANARY not in caplog.text + traceback.format_exc()


def test_equality_and_truth_are_those_of_the_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert not Secret("")
    assert Secret(CANARY).reveal() == CANARY
