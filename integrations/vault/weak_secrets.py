"""Judges whether a person typed a secret instead of generating it: words, rows of keys, and pieces that repeat.

Only what is left without these counts. Generated text has next to none of them: of a key of `openssl rand -base64 32`
a few characters at most are not counted.
"""

from __future__ import annotations

import re

_DJANGO_TEMPLATE = "django-insecure-"  # what `django-admin startproject` writes
_WORDS = (
    *("password", "passwd", "secret", "change", "default", "example", "insecure", "replace", "private", "production"),
    *("development", "staging", "testing", "tests", "admin", "token", "django", "highlevel", "hlapp", "metrics"),
    *("welcome", "letmein", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwerty", "asdf", "monkey", "dragon", "master"),
    *("changeme", "please", "your", "this", "here", "random", "string", "value", "with", "some", "only", "that"),
    *("fixed", "never", "really", "very", "long", "enough", "secure", "deploy", "server", "local", "todo", "dummy"),
)
_WORD = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)), re.IGNORECASE)
_SHORTEST_PIECE, _SHORTEST_ROW = 3, 4


def counted(text: str) -> int:
    """How many characters of a secret count: without common words, rows such as `1234`, and what repeats."""
    return _new_characters(_WORD.sub("", text.removeprefix(_DJANGO_TEMPLATE)))


def is_typed(text: str, shortest: int) -> bool:
    """Whether too few characters count for a secret of at least `shortest` random ones."""
    return text.startswith(_DJANGO_TEMPLATE) or counted(text) < shortest * 3 // 4


def _new_characters(text: str) -> int:
    """The length without pieces that stood there before, each of which counts as one, and without rows."""
    found = at = 0
    while at < len(text):
        found += 1
        at += max(_repeated(text, at), _row(text, at), 1)
    return found


def _repeated(text: str, at: int) -> int:
    """How many characters from here repeat an earlier piece, which may reach up to here; 0 for few."""
    length = 0
    while at + length < len(text) and text.find(text[at : at + length + 1], 0, at + length) != -1:
        length += 1
    return length if length >= _SHORTEST_PIECE else 0


def _row(text: str, at: int) -> int:
    """How many characters from here go up or down one by one, as in `1234` and `dcba`; 0 for few."""
    for step in (1, -1):
        end = at + 1
        while end < len(text) and ord(text[end]) - ord(text[end - 1]) == step:
            end += 1
        if end - at >= _SHORTEST_ROW:
            return end - at
    return 0
