"""Reading variables: types, files, and one message that names every mistake and no secret."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hlapp.env import ConfigurationError, Env
from integrations.vault import weak_secrets


def complaint(env: Env) -> str:
    with pytest.raises(ConfigurationError) as caught:
        env.check()
    return str(caught.value)


TYPED = "words, rows or repeated pieces: generate one, as by `openssl rand -base64 32`"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("hunter2", "7 characters"),
        ("ab" * 20, "few different characters"),
        ("change-me-" * 5, TYPED),
        ("django-insecure-k3v9!q_7x#2m@z5^w8&b1$n4%c6*r0(t-y+u=jd", TYPED),
        ("my-very-long-secret-key-for-production!", TYPED),
        ("abcdefghijklmnopqrstuvwxyz0123456789", TYPED),
    ],
)
def test_a_weak_secret_is_refused_and_not_repeated(value: str, found: str) -> None:
    env = Env({"SECRET_KEY": value})
    env.secret("SECRET_KEY", shortest=32)
    assert complaint(env).endswith(f"SECRET_KEY should be a secret of at least 32 random characters: found {found}")
    assert value not in complaint(env)


@pytest.mark.parametrize("value", ["password12345678", "aaaabbbbccccdddd", "changeme-changeme", "0123456789abcdef"])
def test_a_short_secret_that_somebody_typed_is_refused(value: str) -> None:
    env = Env({"METRICS_TOKEN": value})
    env.secret("METRICS_TOKEN", shortest=16)
    assert TYPED in complaint(env)


def test_what_was_generated_is_taken() -> None:
    rng = random.Random(7)
    characters = string.ascii_letters + string.digits + "-_"
    refused = 0
    for _ in range(500):
        for shortest, value in (
            (16, "".join(rng.choices(string.hexdigits[:16], k=16))),
            (32, "".join(rng.choices(string.hexdigits[:16], k=32))),
            (32, base64.b64encode(rng.randbytes(24)).decode()),
            (32, "".join(rng.choices(characters, k=50))),
        ):
            refused += weak_secrets.is_typed(value, shortest)
    assert refused == 0


def test_values_come_out_typed() -> None:
    env = Env(
        {
            "TEXT": "  hello ",
            "FLAG": "Yes",
            "NUMBER": "42",
            "URL": "https://app.example.com/base/",
            "LIST": "a, b,,c\nd e",
            "SECRET": "s3cret",
        }
    )

    assert env.text("TEXT") == "hello"
    assert env.flag("FLAG") is True
    assert env.integer("NUMBER") == 42
    assert env.url("URL") == "https://app.example.com/base"
    assert env.list("LIST") == ["a", "b", "c", "d", "e"]
    assert env.secret("SECRET") == "s3cret"
    env.check()


@pytest.mark.parametrize("environ", [{}, {"NAME": ""}, {"NAME": "  "}, {"NAME_FILE": ""}])
def test_an_unset_or_empty_variable_takes_its_default(environ: dict[str, str]) -> None:
    env = Env(environ)

    assert env.text("NAME", default="x") == "x"
    assert env.text("NAME", default="") == ""
    assert env.flag("NAME", default=False) is False
    assert env.integer("NAME", default=0) == 0
    assert env.url("NAME", default="http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    assert env.list("NAME", default=[]) == []
    assert env.database("NAME", default="postgresql:///x")["NAME"] == "x"
    env.check()


def test_every_mistake_is_named_in_one_line() -> None:
    env = Env({"FLAG": "maybe", "NUMBER": "-3", "URL": "ftp://example.com", "DATABASE_URL": "mysql://h/d"})

    blanks = [env.text("TEXT"), env.flag("FLAG"), env.integer("NUMBER"), env.url("URL"), env.list("LIST")]
    blanks.append(env.database("DATABASE_URL"))

    assert blanks == ["", False, 0, "", [], {}]
    assert complaint(env) == (
        "configuration: TEXT is not set: it should be text; "
        "FLAG should be true or false: found 'maybe'; "
        "NUMBER should be a whole number of at least 0: found -3; "
        "URL should be https://… or http://…: found the scheme 'ftp'; "
        "LIST is not set: it should be a comma-separated list; "
        "DATABASE_URL should be postgresql://… or postgres://…: found the scheme 'mysql'"
    )


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (lambda env: env.integer("NAME", minimum=1), "0", "whole number of at least 1: found 0"),
        (lambda env: env.integer("NAME"), "1.5", "found '1.5'"),
        (lambda env: env.integer("NAME"), "9" * 5000, f"found '{'9' * 60}…'"),
        (lambda env: env.url("NAME"), "app.example.com", "found no scheme"),
        (lambda env: env.url("NAME"), "https://", "found no host"),
        (lambda env: env.url("NAME"), "https://host:99999", "host or port is malformed"),
        (lambda env: env.url("NAME"), "https://[::1", "host or port is malformed"),
        (lambda env: env.database("NAME"), "postgresql://u:p@host:x/db", "host or port is malformed"),
        (lambda env: env.database("NAME"), "postgresql://u:p@host", "found no database name"),
    ],
)
def test_malformed_values(read: Callable[[Env], object], value: str, said: str) -> None:
    env = Env({"NAME": value})

    read(env)

    assert said in complaint(env)


@pytest.mark.parametrize(
    "broken",
    [
        "postgresql://user:hunter2@host:99999/db",
        "postgresql://user:hunter2@host/",
        "mysql://user:hunter2@host/db",
        "user:hunter2@host",
    ],
)
def test_a_password_in_a_malformed_url_is_not_repeated(broken: str) -> None:
    env = Env({"DATABASE_URL": broken, "REDIS_URL": broken, "SECRET_KEY": "hunter2", "SECRET_KEY_FILE": "/x"})

    env.database("DATABASE_URL")
    env.url("REDIS_URL", schemes=("redis",))
    env.secret("SECRET_KEY")

    said = complaint(env)
    assert "hunter2" not in said
    assert said.count(";") == 2


def test_a_database_url_becomes_djangos_settings() -> None:
    url = "postgresql://us%40er:p%2Fw%23@db.example.com:5433/name?sslmode=require"
    config = Env({"DATABASE_URL": url}).database("DATABASE_URL")

    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["USER"], config["PASSWORD"]) == ("us@er", "p/w#")
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.com", 5433, "name")
    assert config["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize("url", ["redis://:pw@127.0.0.1:6379/0", "rediss://host", "unix:///run/redis.sock"])
def test_redis_urls_of_every_kind(url: str) -> None:
    env = Env({"REDIS_URL": url})

    assert env.url("REDIS_URL", schemes=("redis", "rediss", "unix")) == url
    env.check()


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")

    env = Env({"SECRET_KEY_FILE": str(secret)})

    assert env.secret("SECRET_KEY") == "s3cret"
    env.check()


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read (No such file or directory)"), (b"\xff\xfe", "is not UTF-8 text"), (b"", "is not set")],
)
def test_a_file_that_gives_no_value(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    env = Env({"SECRET_KEY_FILE": str(path)})

    env.secret("SECRET_KEY")

    assert said in complaint(env)


def test_a_variable_given_twice_is_a_mistake(tmp_path: Path) -> None:
    env = Env({"SECRET_KEY": "one", "SECRET_KEY_FILE": str(tmp_path)})

    env.secret("SECRET_KEY")

    assert complaint(env).endswith("SECRET_KEY_FILE is set too, keep one of them")


def test_the_reader_can_reject_what_only_it_understands() -> None:
    env = Env({"VAULT_KEYS": "nonsense"})
    keys: Any = env.secret("VAULT_KEYS")

    env.reject("VAULT_KEYS", "should be <key id>:<base64>")

    assert keys == "nonsense"
    assert complaint(env) == "configuration: VAULT_KEYS should be <key id>:<base64>"
