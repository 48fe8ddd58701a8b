"""Typed readers of environment variables; settings read the environment through this file and nowhere else.

A missing or malformed variable does not raise where it is read. The reader notes the fault and returns an empty value
of the right type; `check()` then names all faults at once, so that an operator corrects them together. Every variable
may be given as `NAME_FILE`, the path of a file that holds the value: orchestrators hand over secrets this way. An empty
variable counts as unset, because compose files write `NAME=` for a missing one.

No value that may hold a secret is ever repeated in a message: secrets never, URLs by their scheme only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import SplitResult, urlsplit

import environ

from integrations.vault import weak_secrets

T = TypeVar("T")
Texts = list[str]

POSTGRES_SCHEMES = ("postgresql", "postgres")
WEB_SCHEMES = ("https", "http")

_FLAGS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_LONGEST_SHOWN = 60


class ConfigurationError(Exception):
    """The environment does not describe a runnable system. The message is one line naming every mistake."""


class _Malformed(ValueError):
    """A value that does not parse; the text says what was found and may be shown."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that the settings read, as pages may show it.

    `expected` says what it should be. `source` is "environment", "file" or, where the default counts, "default".
    `value` is what counts, for the kinds that hold no secret; it is empty for all others.
    """

    name: str
    expected: str
    source: str
    value: str


@dataclass(frozen=True)
class _Kind(Generic[T]):
    expected: str
    parse: Callable[[str], T]
    blank: T
    shown: Callable[[T], str] | None = None  # the value in words, for a kind that holds no secret


class Env:
    """Readers over `environ`. In every reader, `default=None` means that the variable is required."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: dict[str, str] = {}
        self._variables: dict[str, Variable] = {}

    @property
    def names(self) -> set[str]:
        """The names of all variables that were read."""
        return set(self._variables)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All variables that were read, by name."""
        return tuple(self._variables[name] for name in sorted(self._variables))

    def text(self, name: str, default: str | None = None) -> str:
        """Any text, stripped of white space at both ends."""
        return self._read(name, _Kind("text", str, ""), default)

    def secret(self, name: str, default: str | None = None, shortest: int = 0) -> str:
        """Text that no message repeats, of at least `shortest` characters."""
        expected = f"a secret of at least {shortest} random characters" if shortest else "a secret"
        return self._read(name, _Kind(expected, _secret(shortest), ""), default)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """true/false, 1/0, yes/no or on/off, in any case."""
        return self._read(name, _Kind("true or false", _flag, blank=False, shown=_yes_or_no), default)

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """One of the words, in any case; returned as it stands in `allowed`."""
        return self._read(name, _Kind(f"one of {', '.join(allowed)}", _choice(allowed), "", str), default)

    def integer(self, name: str, default: int | None = None, minimum: int = 0) -> int:
        """A whole number of at least `minimum`."""
        expected = f"a whole number of at least {minimum}"
        return self._read(name, _Kind(expected, _integer(minimum), minimum, "{:,}".format), default)

    def url(self, name: str, default: str | None = None, schemes: tuple[str, ...] = WEB_SCHEMES) -> str:
        """An absolute URL with one of `schemes`, without a slash at its end."""
        return self._read(name, _Kind(_url_shape(schemes), _url(schemes), ""), default)

    def list(self, name: str, default: Texts | None = None) -> Texts:
        """Items separated by commas or white space; empty items fall out."""
        return self._read(name, _Kind("a comma-separated list", _list, []), default)

    def hours(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """From which hour to which, `22-7`: two of 0 to 23, the second one is no longer part of it."""
        return self._read(name, _Kind("two hours such as 22-7", _hours, (), _hours_shown), default)

    def database(self, name: str, default: str | None = None) -> dict[str, Any]:
        """A `postgresql://` URL as an entry of Django's DATABASES. `default` is a URL too."""
        kind: _Kind[dict[str, Any]] = _Kind(_url_shape(POSTGRES_SCHEMES), _database, {})
        return self._read(name, kind, None if default is None else _database(default))

    def is_set(self, name: str) -> bool:
        """Whether the variable, or its `NAME_FILE`, has a value."""
        return bool(self._environ.get(name) or self._environ.get(f"{name}_FILE"))

    def reject(self, name: str, reason: str) -> None:
        """Note a mistake only the caller can see; `reason` follows the name and must not hold a secret."""
        self._problems.setdefault(name, f"{name} {reason}")

    def check(self) -> None:
        """Raise ConfigurationError if any variable read so far is missing or malformed."""
        if self._problems:
            raise ConfigurationError("configuration: " + "; ".join(self._problems.values()))

    def _read(self, name: str, kind: _Kind[T], default: T | None) -> T:
        value = self._parsed(name, kind, default)
        source = next(
            (
                words
                for words, of in (("environment", name), ("file", f"{name}_FILE"))
                if self._environ.get(of, "").strip()
            ),
            "default",
        )
        shown = kind.shown(value) if kind.shown else ""
        self._variables[name] = Variable(name, kind.expected, source, shown)
        return value

    def _parsed(self, name: str, kind: _Kind[T], default: T | None) -> T:
        try:
            raw = self._raw(name)
            if raw:
                return kind.parse(raw)
        except _Malformed as found:
            self.reject(name, f"should be {kind.expected}: {found}")
            return kind.blank
        if default is None:
            self.reject(name, f"is not set: it should be {kind.expected}")
            return kind.blank
        return default

    def _raw(self, name: str) -> str:
        value = self._environ.get(name, "").strip()
        path = self._environ.get(f"{name}_FILE", "").strip()
        if value and path:
            raise _Malformed(f"{name}_FILE is set too, keep one of them")
        return _content(name, path) if path else value


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise _Malformed(f"the file that {name}_FILE names is not UTF-8 text") from None
    except OSError as error:
        raise _Malformed(f"{name}_FILE names {path}, which cannot be read ({error.strerror})") from None


def _flag(raw: str) -> bool:
    if raw.lower() not in _FLAGS:
        raise _Malformed(f"found {_shown(raw)}")
    return _FLAGS[raw.lower()]


def _yes_or_no(value: bool) -> str:
    return "true" if value else "false"


def _hours_shown(hours: tuple[int, ...]) -> str:
    return "-".join(map(str, hours))


def _choice(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        found = next((word for word in allowed if word.lower() == raw.lower()), None)
        if found is None:
            raise _Malformed(f"found {_shown(raw)}")
        return found

    return parse


def _integer(minimum: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        try:
            number = int(raw)
        except ValueError:
            raise _Malformed(f"found {_shown(raw)}") from None
        if number < minimum:
            raise _Malformed(f"found {number}")
        return number

    return parse


def _secret(shortest: int) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if len(raw) < shortest:
            raise _Malformed(f"found {len(raw)} characters")
        if len(set(raw)) < shortest // 4:
            raise _Malformed("found few different characters")
        if weak_secrets.is_typed(raw, shortest):
            raise _Malformed("found words, rows or repeated pieces: generate one, as by `openssl rand -base64 32`")
        return raw

    return parse


def _list(raw: str) -> Texts:
    return raw.replace(",", " ").split()


def _hours(raw: str) -> tuple[int, ...]:
    parts = [part.strip() for part in raw.split("-")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part) < 24 for part in parts):
        raise _Malformed(f"found {_shown(raw)}")
    return int(parts[0]), int(parts[1])


def _url(schemes: tuple[str, ...]) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        parts = _split(raw, schemes)
        if not (parts.path if parts.scheme == "unix" else parts.hostname):
            raise _Malformed("found no host")
        return raw.rstrip("/")

    return parse


def _database(raw: str) -> dict[str, Any]:
    _split(raw, POSTGRES_SCHEMES)
    config: dict[str, Any] = environ.Env.db_url_config(raw)
    if not config.get("NAME"):
        raise _Malformed("found no database name")
    return config


def _split(raw: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(raw)
        parts.port  # noqa: B018 - reading it raises for anything but a number below 65536
    except ValueError:
        raise _Malformed("host or port is malformed") from None
    if parts.scheme not in schemes:
        raise _Malformed(f"found the scheme {_shown(parts.scheme)}" if "://" in raw else "found no scheme")
    return parts


def _url_shape(schemes: tuple[str, ...]) -> str:
    return " or ".join(f"{scheme}://…" for scheme in schemes)


def _shown(raw: str) -> str:
    return repr(raw if len(raw) <= _LONGEST_SHOWN else raw[:_LONGEST_SHOWN] + "…")
