"""Chain values, seals of entries, and the sealed head of the audit trail. Pure, but for the keys of the vault.

What is sealed is written here byte for byte. It must not change: entries of years ago are verified by it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

GENESIS = bytes(32)  # the chain value before the first entry


class Sealer(Protocol):
    """The keys. The vault stands above this room and supplies them (`set_sealer`)."""

    def newest(self) -> str:
        """The id of the key that seals. Raises SealBroken when the ring is not the right one."""

    def mac(self, key_id: str, message: bytes) -> bytes | None:
        """The MAC of the message under the audit trail's key of that id. None when the ring lacks it."""


class Standing(Enum):
    """What a seal says."""

    GENUINE = "genuine"
    FORGED = "forged"
    UNKNOWN = "its key is not in VAULT_KEYS"


_sealer: Sealer | None = None


def set_sealer(sealer: Sealer) -> None:
    """Set the keys of this process. `VaultConfig.ready` calls it."""
    global _sealer  # noqa: PLW0603 - core cannot import the room that stands above it
    _sealer = sealer


def keys() -> Sealer:
    """The keys of this process."""
    assert _sealer is not None, "the vault's app sets it"
    return _sealer


def chain_value(previous: bytes, *, at: datetime, actor: str, action: str, subject: str, detail: Any) -> bytes:
    """The chain value of an entry with this content after the chain value `previous`."""
    fields = [at.isoformat(), actor, action, subject, detail]
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode()).digest()


def entry_message(number: int, value: bytes) -> bytes:
    """What the seal of an entry covers."""
    return b"entry\0" + number.to_bytes(8, "big") + value


def standing(key_id: str, seal: bytes, message: bytes) -> Standing:
    """What the seal under that key says of the message."""
    mac = keys().mac(key_id, message)
    if mac is None:
        return Standing.UNKNOWN
    return Standing.GENUINE if hmac.compare_digest(mac, seal) else Standing.FORGED


@dataclass(frozen=True, slots=True)
class TrailHead:
    """Where the trail ends and begins. Entries up to `base_number` were deleted by `audit prune`.

    `sealed_from`: the number of the first entry that has a seal. `at`: the time of the newest entry.
    """

    number: int = 0
    value: bytes = GENESIS
    base_number: int = 0
    base_value: bytes = GENESIS
    sealed_from: int = 1
    at: datetime | None = None
    key_id: str = ""
    seal: bytes = b""

    @property
    def message(self) -> bytes:
        """What the seal of the head covers."""
        numbers = (self.number, self.base_number, self.sealed_from)
        parts = [number.to_bytes(8, "big") for number in numbers] + [self.value, self.base_value]
        return b"head\0" + b"".join(parts) + (self.at.isoformat() if self.at else "").encode()

    @property
    def standing(self) -> Standing:
        """What its seal says."""
        return standing(self.key_id, self.seal, self.message)

    def sealed(self) -> TrailHead:
        """The same head, sealed by the newest key. Raises SealBroken."""
        key_id = keys().newest()
        mac = keys().mac(key_id, self.message)
        assert mac is not None, "the newest key is in the ring"
        return replace(self, key_id=key_id, seal=mac)

    def as_json(self) -> dict[str, Any]:
        """As it is exported: JSON, bytes in hexadecimal."""
        return {
            "number": self.number,
            "value": self.value.hex(),
            "count": self.number - self.base_number,
            "at": self.at.isoformat() if self.at else None,
            "base_number": self.base_number,
            "base_value": self.base_value.hex(),
            "sealed_from": self.sealed_from,
            "key_id": self.key_id,
            "seal": self.seal.hex(),
        }

    @classmethod
    def from_json(cls, found: Any) -> TrailHead:
        """The head that `as_json` wrote. Raises ValueError for anything else."""
        try:
            return cls(
                number=int(found["number"]),
                value=bytes.fromhex(found["value"]),
                base_number=int(found["base_number"]),
                base_value=bytes.fromhex(found["base_value"]),
                sealed_from=int(found["sealed_from"]),
                at=datetime.fromisoformat(found["at"]) if found["at"] else None,
                key_id=str(found["key_id"]),
                seal=bytes.fromhex(found["seal"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a head of the audit trail: {type(error).__name__}") from None
