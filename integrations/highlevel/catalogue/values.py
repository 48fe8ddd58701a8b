"""Conversion of one parameter's value to URL text, checked against the catalogue."""

from __future__ import annotations

from typing import Any

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue.operation import Parameter

_BOOLEANS = {True: "true", False: "false", "true": "true", "false": "false"}


def texts(operation: str, parameter: Parameter, value: Any) -> list[str]:
    """The texts for the URL, one item per repetition. Raises BadRequest with the parameter and what it should be."""
    if parameter.type == "array" or (parameter.type == "any" and isinstance(value, list | tuple)):
        items = [_scalar(operation, parameter, item, "any") for item in _items(value, parameter.style)]
        return [",".join(items)] if parameter.style == "csv" else items
    return [_scalar(operation, parameter, value, parameter.type)]


def described(parameter: Parameter) -> str:
    """`status (query, one of open, won)`, for messages and for `catalogue show`."""
    kind = parameter.type + (f", {parameter.style}" if parameter.style else "")
    if parameter.enum:
        kind = ("any of " if parameter.type == "array" else "one of ") + ", ".join(parameter.enum)
    return f"{parameter.name} ({parameter.part}, {kind}{', required' if parameter.required else ''})"


def _items(value: Any, style: str) -> list[Any]:
    if isinstance(value, str):
        return value.split(",") if style == "csv" else [value]
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _scalar(operation: str, parameter: Parameter, value: Any, kind: str) -> str:
    text = _typed(value, kind)
    if text is None or (parameter.enum and text not in parameter.enum):
        shown = repr(value)[:60]
        raise BadRequest(f"{operation}: {shown} does not fit {described(parameter)}", parameter=parameter.name)
    return text


def _typed(value: Any, kind: str) -> str | None:
    """The text of a scalar, or None when it is not of this kind."""
    if kind == "boolean":
        return _BOOLEANS.get(value) if isinstance(value, bool | str) else None
    if isinstance(value, bool):
        return None if kind in ("number", "integer") else _BOOLEANS[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return None if kind == "integer" or value != value or value in (_INFINITE, -_INFINITE) else repr(value)
    if not isinstance(value, str) or not _is_unicode(value):
        return None
    return value if kind not in ("number", "integer") or _is_number(value) else None


_INFINITE = float("inf")


def _is_unicode(text: str) -> bool:
    """Whether the text can be sent: half of a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and text.strip() == text and "_" not in text
