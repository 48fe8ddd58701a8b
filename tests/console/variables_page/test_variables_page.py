"""The page of variables names all of them and shows no value that could be a secret."""

from __future__ import annotations

from django.conf import settings
from django.test import Client

from hlapp.env import Env

PAGE = "/admin/core/workerprocess/variables/"


def test_it_names_each_variable_and_shows_no_secret(operator_client: Client) -> None:
    text = operator_client.get(PAGE).content.decode()
    assert len(settings.VARIABLES) > 60
    assert [one.name for one in settings.VARIABLES if f'<tr id="{one.name}">' not in text] == []
    assert settings.SECRET_KEY not in text
    assert settings.HIGHLEVEL_CLIENT_SECRET not in text
    assert settings.DATABASES["default"]["PASSWORD"] not in text or not settings.DATABASES["default"]["PASSWORD"]


def test_only_kinds_that_hold_no_secret_have_a_value() -> None:
    env = Env({"A": "hunter2", "B": "7", "C": "no", "D": "22-7", "E": "https://u:p@x.test", "F": "a,b", "G": "one"})
    env.secret("A")
    env.integer("B")
    env.flag("C")
    env.hours("D")
    env.url("E")
    env.list("F")
    env.choice("G", ("one", "two"))
    env.integer("H", default=1_000)
    shown = {one.name: (one.source, one.value) for one in env.variables}
    assert [shown[name][1] for name in "ABCDEFGH"] == ["", "7", "false", "22-7", "", "", "one", "1,000"]
    assert {source for source, _ in shown.values()} == {"environment", "default"}
    assert shown["H"][0] == "default"
