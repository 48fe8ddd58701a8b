"""`docs/reference.md` is what the public surface is."""

from __future__ import annotations

from hlapp import api
from hlapp.api import reference
from hlapp.project import PACKAGE


def test_a_change_of_a_public_signature_is_a_change_of_the_reference() -> None:
    committed = (PACKAGE.parent / "docs/reference.md").read_text(encoding="utf-8")
    assert committed == reference.text(), "run `make reference`, and see docs/extending.md about the promise"


def test_every_public_name_says_what_it_is() -> None:
    page = reference.text()
    assert [name for name in api.__all__ if f"## {name}\n\n\n" in page] == []
    assert "def background_job(\n    name: str,\n    *,\n" in page
    assert "    def checkpoint_columns" not in page, "the engine's own"
