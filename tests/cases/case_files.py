"""Reads the cases of a folder. A further case of the same kind is one more file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

_HTML = re.compile(r"<html of (\d+) bytes>")


def each(kind: str) -> pytest.MarkDecorator:
    """Parametrizes a test with `case`, the content of each file of the folder."""
    files = sorted((Path(__file__).parent / kind).glob("*.json"))
    assert files, f"no cases of {kind}"
    found = [pytest.param(json.loads(file.read_text()), id=file.stem) for file in files]
    return pytest.mark.parametrize("case", found)


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """The value with ids in place of `<location 1>` and the like, and `<html of N bytes>` written out."""
    if isinstance(value, dict):
        return {filled(name, ids): filled(part, ids) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, ids) for part in value]
    if isinstance(value, str):
        html = _HTML.fullmatch(value)
        return f"<p>{'x' * (int(html[1]) - 7)}</p>" if html else ids.get(value, value)
    return value
