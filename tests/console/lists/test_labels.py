"""What pages call things is in words of people, and no names of the code: lists, forms, filters, help, breadcrumbs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, get_fields_from_path, help_text_for_field, label_for_field
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field
from django.forms.utils import pretty_name

from integrations.core import own_apps

TEMPLATES = Path(__file__).resolve().parents[3] / "hlapp" / "templates"
# Two words that Django made of a field's name, and that are what people say.
PLAIN = frozenset(
    word
    for line in (
        "api url|app version|claimed by|client id|company id|created by|date joined|deleted by|email address",
        "error code|event id|expire date|first name|fixed by|key id|last error|last error code|last login",
        "last name|leased by|leased until|location id|made by|muted until|paused by|payment status|record id",
        "requested by|times sent|trace id|trial ends|user permissions|user type|webhook id|white label",
    )
    for word in line.split("|")
)
NAMES = ("HighLevel", "OpenID", "OpenAPI")  # written so by those whose names they are
OF_THE_CODE = re.compile(r"_|`|[a-z][A-Z]|\b(at|ms|kwargs|args|pk|null|none|json|sealed)$|^is \w+$")
OF_THE_CODE_IN_SENTENCES = re.compile(r"`|\b[a-z]+[a-z]*[A-Z]\w*|\b[a-z]+_[a-z_]+\b|\bnull\b")
SHOWN = re.compile(r"<(label|th|dt|h1|h2|h3|legend|summary|option)\b[^>]*>(.*?)</\1>", re.DOTALL)


def pages() -> list[tuple[str, Any, Any]]:
    """Each model with its admin, without those of own apps and of Django."""
    ours = own_apps.labels()
    return [
        (model._meta.label, model, page)
        for model, page in admin.site._registry.items()
        if model._meta.app_label not in {*ours, "auth"}
    ]


def labels(model: Any, page: Any) -> Iterator[tuple[str, str]]:
    """The labels of a model's pages, each with where it is."""
    meta = model._meta
    yield from (
        ("breadcrumb", meta.app_config.verbose_name),
        ("name", meta.verbose_name),
        ("names", meta.verbose_name_plural),
    )
    fields = flatten_fieldsets(page.fieldsets or ((None, {"fields": page.fields or ()}),))
    for name in {*page.list_display, *fields} - {"action_checkbox", "__str__"}:
        yield name, label(name, model, page)
    for title, _ in page.fieldsets or ():
        yield "part", str(title or "")
    for one in page.list_filter:
        name = one[0] if isinstance(one, tuple) else one
        if isinstance(name, str):
            yield f"filter {name}", str(get_fields_from_path(model, name)[-1].verbose_name)
        else:
            yield "filter", str(getattr(name, "title", ""))
    for _, _, words in page._get_base_actions():
        yield "action", str(words) % {"verbose_name_plural": ""}


def label(name: str, model: Any, page: Any) -> str:
    """The label of a column or field; a field of a form of ours has its own."""
    try:
        return str(label_for_field(name, model, page))
    except AttributeError:
        return str(page.form.base_fields[name].label or pretty_name(name))


def is_made_of_the_name(name: str, model: Any, words: str) -> bool:
    """Whether Django made the label, of two words or more, of a field's name."""
    try:
        field = model._meta.get_field(name.removeprefix("filter "))
    except FieldDoesNotExist:
        return False
    return isinstance(field, Field) and " " in words and words == field.name.replace("_", " ")


def without_names(text: str) -> str:
    for name in NAMES:
        text = text.replace(name, "")
    return text


@pytest.mark.parametrize(("model", "page"), [pytest.param(*rest, id=name) for name, *rest in pages()])
def test_labels_are_words_of_people(model: Any, page: Any) -> None:
    found = set(labels(model, page))
    assert len(found) > 3
    code = {one for one in found if OF_THE_CODE.search(without_names(one[1]))}
    assert code == set()
    made = {one for one in found if is_made_of_the_name(*one[:1], model, one[1]) and one[1] not in PLAIN}
    assert made == set(), "give the field a label, or add it to PLAIN if it is what people say"


@pytest.mark.parametrize(("model", "page"), [pytest.param(*rest, id=name) for name, *rest in pages()])
def test_help_texts_name_nothing_of_the_code(model: Any, page: Any) -> None:
    names = flatten_fieldsets(
        page.fieldsets or ((None, {"fields": page.fields or [one.name for one in model._meta.fields]}),)
    )
    texts = {name: str(help_text_for_field(name, model)) for name in names}
    texts["search"] = page.search_help_text or ""
    assert texts
    assert {name: text for name, text in texts.items() if OF_THE_CODE_IN_SENTENCES.search(without_names(text))} == {}


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda one: str(one.relative_to(TEMPLATES)))
def test_headings_and_labels_of_templates_are_words_of_people(path: Path) -> None:
    shown = [re.sub(r"\{[{%#].*?[}%#]\}|<[^>]*>", " ", words) for _, words in SHOWN.findall(path.read_text())]
    assert [words for words in shown if re.search(r"\b[a-z]+_[a-z]+\b|`", words)] == []


def test_the_rule_knows_names_of_the_code() -> None:
    for words in ("seen run_at", "alive at", "took ms", "kwargs", "is bulk", "companyId", "at"):
        assert OF_THE_CODE.search(words), words
    for words in ("last known to exist", "HighLevel's answer", "trace id"):
        assert not OF_THE_CODE.search(without_names(words)), words
    assert OF_THE_CODE_IN_SENTENCES.search("companyId of the company")
    assert not OF_THE_CODE_IN_SENTENCES.search("of the key in VAULT_KEYS")
