"""Identifiers in the vendor's form, reproducible from a seed.

Most objects carry 20 letters and digits; pipeline stages and trace ids are UUIDs.
"""

from __future__ import annotations

import random
import string
import uuid

ALPHABET = string.ascii_letters + string.digits


class Ids:
    """A stream of identifiers; the same seed gives the same stream."""

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)  # noqa: S311 - reproducible test data, no secret

    def new(self) -> str:
        """An id as the vendor makes them: 20 characters."""
        return "".join(self.random.choices(ALPHABET, k=20))

    def uuid(self) -> str:
        """A UUID from the seeded stream."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
