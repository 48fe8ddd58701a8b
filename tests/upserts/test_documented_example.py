"""The code of docs/extending.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from integrations.upserts import bulk_upsert
from tests.upserts.conftest import Loader

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).resolve().parents[2] / "docs/extending.md"


def example() -> dict[str, Any]:
    """What the code block about bulk upserts defines."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "bulk_upsert.prepare" in block]
    defined: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), defined)
    return defined


def test_the_example_writes_a_file_and_names_what_failed(loader: Loader, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("E-mail,First name,Tags\nann@bulk.example,Ann,vip;new\nno address,Bob,\n,Eve,\n")
    code = example()
    upsert = code["import_people"](loader.app, loader.location, file)
    assert loader.finish(upsert).status == "complete"
    made = loader.contact("ann@bulk.example")
    assert made is not None
    assert (made["source"], sorted(made["tags"])) == ("import", ["new", "vip"])
    refused, invalid = code["failed_rows"](upsert)
    assert refused.startswith("row 2: ")
    assert refused.endswith("email must be an email")
    assert invalid.startswith("row 3: it has neither an e-mail address")
    assert bulk_upsert.progress(upsert).status == "complete"
