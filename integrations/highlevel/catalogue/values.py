"""Conversion of one parameter's value to URL text.

Only a value that has no text is refused: an object, bytes, a number that is not finite, half a character. Whether a
value fits the catalogue (`fits`) is for remarks: the vendor's files lack values that the vendor takes.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue.operation import Parameter


def texts(operation: str, parameter: Parameter, value: Any) -> list[str]:
    """The texts for the URL, one item per repetition. Raises BadRequest for a value without a text."""
    if parameter.type != "array" and not isinstance(value, list | tuple | set | frozenset):
        return [_text(operation, parameter, value)]
    items = [_text(operation, parameter, item) for item in _items(value, parameter.style)]
    return [",".join(items)] if parameter.style == "csv" else items


def described(parameter: Parameter) -> str:
    """`status (query, one of open, won)`, for messages and for `catalogue show`."""
    kind = parameter.type + (f", {parameter.style}" if parameter.style else "")
    if parameter.enum:
        kind = ("any of " if parameter.type == "array" else "one of ") + ", ".join(parameter.enum)
    return f"{parameter.name} ({parameter.part}, {kind}{', required' if parameter.required else ''})"


def fits(parameter: Parameter, value: Any) -> bool:
    """Whether the value, one that has a text, is of the parameter's type and one of its enum."""
    if parameter.type == "array" or (parameter.type == "any" and isinstance(value, list | tuple)):
        return all(_fits(parameter, item, "any") for item in _items(value, parameter.style))
    return _fits(parameter, value, parameter.type)


def _items(value: Any, style: str) -> list[Any]:
    if isinstance(value, str):
        return value.split(",") if style == "csv" else [value]
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _text(operation: str, parameter: Parameter, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and isfinite(value):
        return repr(value)
    if isinstance(value, str) and _is_unicode(value):
        return value
    shown = repr(value)[:60]
    raise BadRequest(f"{operation}: {shown} cannot be written as {described(parameter)}", parameter=parameter.name)


def _fits(parameter: Parameter, value: Any, kind: str) -> bool:
    if parameter.enum:
        value = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
        return str(value) in parameter.enum
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    if kind in ("number", "integer"):
        return _is_number(value) and not (kind == "integer" and isinstance(value, float))
    return isinstance(value, str | int | float)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | list | tuple | set | frozenset):
        return False
    if not isinstance(value, str):
        return True
    try:
        float(value)
    except ValueError:
        return False
    return value.isascii() and value.strip() == value and "_" not in value


def _is_unicode(text: str) -> bool:
    """Whether the text can be sent: half of a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
