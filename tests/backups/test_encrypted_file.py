"""The container of backups: what was changed, moved, cut off or made with another key does not open."""

from __future__ import annotations

import base64
import io
import os

import pytest

from integrations.core.errors import BadRequest, SealBroken
from integrations.core.secret import Secret
from integrations.vault.encrypted_file import EncryptedWriter, key_problem, pieces

KEY = Secret(base64.b64encode(bytes(range(32))).decode())
PIECES = [b"first", b"", b"last" * 100]


@pytest.fixture
def written() -> bytes:
    file = io.BytesIO()
    writer = EncryptedWriter(file, KEY)
    for number, piece in enumerate(PIECES):
        writer.write(piece, is_last=number == len(PIECES) - 1)
    return file.getvalue()


def opened(text: bytes, key: Secret = KEY) -> list[bytes]:
    return list(pieces(io.BytesIO(text), key))


def test_pieces_come_back_in_order(written: bytes) -> None:
    assert opened(written) == PIECES
    assert b"last" not in written


def test_another_key_or_any_change_opens_nothing_more(written: bytes) -> None:
    with pytest.raises(SealBroken, match="another key made it"):
        opened(written, Secret(base64.b64encode(os.urandom(32)).decode()))
    for position in range(13, len(written), 7):
        changed = bytearray(written)
        changed[position] ^= 1
        with pytest.raises(SealBroken):
            opened(bytes(changed))
    for end in range(29, len(written)):
        with pytest.raises(SealBroken):
            opened(written[:end])
    with pytest.raises(SealBroken, match="appended"):
        opened(written + b"x")
    with pytest.raises(BadRequest, match="none that hlapp has encrypted"):
        opened(b"PGDMP" + written)


def test_pieces_cannot_change_places(written: bytes) -> None:
    first = 29 + 4 + len(PIECES[0]) + 16
    second = first + 4 + 16
    with pytest.raises(SealBroken):
        opened(written[:29] + written[first:second] + written[29:first] + written[second:])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("short", "should be the base64 of 32 random bytes"),
        (base64.b64encode(b"a key that somebody has typed in").decode(), "is not random"),
        (base64.b64encode(bytes(range(32))).decode(), ""),
    ],
)
def test_a_key_is_32_random_bytes(text: str, problem: str) -> None:
    assert key_problem(text).startswith(problem)
    assert bool(key_problem(text)) == bool(problem)
