"""The explorer's form with what a failed call sent: the values of its parameters, and its body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import unquote

from integrations.core import texts
from integrations.gateway.explorer import explorer
from integrations.gateway.models import Call
from integrations.gateway.stats import sent_request
from integrations.gateway.stats.sent_request import SentRequest
from integrations.gateway.target import Target

CALL = "call"  # the field of the address that names a kept call


def call_of(given: Mapping[str, str], name: str) -> Call | None:
    """The kept call that the address names, if it called this operation."""
    number = texts.whole(given.get(CALL, ""))
    return None if number is None else Call.objects.filter(pk=number, operation=name).first()


def fields_of(call: Call, found: Target, prefix: str) -> tuple[dict[str, str], bool]:
    """The fields of the form, and whether they are what was sent: else what was kept of it in the open.

    `prefix` comes before the names of parameters.
    """
    sent = sent_request.opened(call)
    shown = sent or SentRequest(call.path, [(name, value) for name, value in call.query], call.body)
    given = {"tenant": call.resource_id, "body": _pretty(shown)}
    values = _path_values(found.operation.path, shown.path)
    known = {parameter.name for parameter in found.operation.params if parameter.part != "query" or found.listed}
    others = []
    for name, value in shown.query:
        name_here = name if name in known else name.removesuffix("[]")
        if name_here in known:
            values[name_here] = f"{values[name_here]}, {value}" if name_here in values else value
        else:
            others.append(f"{name}={value}")
    given |= {
        f"{prefix}{name}": value for name, value in values.items() if name in known and name not in explorer.FILLED
    }
    given["query"] = "\n".join(others)
    return given, sent is not None


def _path_values(template: str, path: str) -> dict[str, str]:
    """The values of the path's parameters, by name."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
    found = re.fullmatch(pattern, path)
    return {name: unquote(value) for name, value in found.groupdict().items()} if found else {}


def _pretty(sent: SentRequest) -> str:
    return "" if sent.body is None else json.dumps(sent.body, indent=2, ensure_ascii=False)
