"""A string that cannot be shown by accident: not by print, repr, a log line, a traceback, JSON or pickle."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Wraps a token, key or password. Only `reveal()` gives the text, so that every use can be found by that word."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The plain text. A caller passes it to the vault or to the vendor, and to nothing else."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"

    def __format__(self, spec: str) -> str:
        return "…"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be serialized: seal it, or pass the identifier of its row")
