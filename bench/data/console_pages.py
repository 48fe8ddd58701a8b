"""The addresses below `/admin/` that the benchmark of the console asks for, from the URL configuration.

A new page or list is measured without a line here. What is no page, or cannot be reached by an address, is named with
its reason; rows are taken from the database, and a page whose model has no row is said to be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import URLPattern, URLResolver, reverse

NOT_PAGES = {
    "login": "for strangers",
    "logout": "ends the session",
    "password_change_done": "follows a form",
    "jsi18n": "a script",
    "autocomplete": "an answer to a script",
    "view_on_site": "leads elsewhere",
    "gateway_explore_path": "the page of an operation by another address",
    "privacy_purge_ask": "a question before an action",
    "sync_plan_adaptive": "a question before an action",
    "sync_plan_variant": "a question before an action",
}
FORMS = ("_add", "_delete", "_purge", "_release", "_clean_up", "_cancel", "_this")
POSTED = ("_note", "_again", "_mute", "_assign")
FILES = ("_file", "_part", "_csv", "_results")  # downloads, of any size
ROW = 10  # which row of a model: no first one, which may be special


@dataclass
class ConsolePages:
    """What is asked for, and what cannot be: the names of pages whose models have no row."""

    addresses: list[str] = field(default_factory=list)
    without_rows: list[str] = field(default_factory=list)


def find(values: dict[str, str]) -> ConsolePages:
    """All pages. `values` are the parameters of addresses that name no row, by the name of the URL."""
    found = ConsolePages()
    for pattern in _patterns(admin.site.urls[0]):
        name = str(pattern.name or "")
        if not name or name in NOT_PAGES or name.endswith((*FORMS, *POSTED, *FILES)):
            continue
        arguments = _arguments(name, pattern, values)
        if arguments is None:
            found.without_rows.append(name)
        else:
            found.addresses.append(reverse(f"admin:{name}", args=arguments).removeprefix("/admin/"))
    return found


def _patterns(found: Any) -> Iterator[URLPattern]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns)
        else:
            yield one


def _arguments(name: str, pattern: URLPattern, values: dict[str, str]) -> list[str] | None:
    """The values in the address; None where there is no row for it."""
    if not (
        pattern.pattern.converters or (getattr(pattern.pattern, "regex", None) and pattern.pattern.regex.groupindex)
    ):
        return []
    if name in values:
        return [values[name]]
    row = _row(name)
    return None if row is None else [quote(row)]


def _row(name: str) -> str | None:
    """The key of a row of the model that the page belongs to: the one whose label begins the name of the URL."""
    models: dict[str, type[Model]] = {
        f"{model._meta.app_label}_{model._meta.model_name}_": model  # noqa: SLF001 - Django's documented name
        for model in apps.get_models()
        if admin.site.is_registered(model)
    }
    stem = max((stem for stem in models if name.startswith(stem)), key=len, default="")
    if not stem:
        return None
    keys = list(models[stem]._default_manager.order_by("pk").values_list("pk", flat=True)[: ROW + 1])  # noqa: SLF001
    return str(keys[-1]) if keys else None
