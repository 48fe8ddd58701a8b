"""Every field with choices has a CheckConstraint of exactly these values."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import IntegrityError, models, transaction

from integrations.quota.models import Parked
from tests.quota.parked import park


def fields_with_choices() -> Iterator[models.Field]:
    """Those of our own models."""
    for model in apps.get_models():
        if model.__module__.startswith("integrations."):
            yield from (field for field in model._meta.concrete_fields if field.choices)


def known(field: models.Field) -> list[set[object]]:
    """The values that each constraint on this field alone names."""
    constraints = [one for one in field.model._meta.constraints if isinstance(one, models.CheckConstraint)]
    return [
        set(constraint.condition.children[0][1])
        for constraint in constraints
        if [child[0] for child in constraint.condition.children if isinstance(child, tuple)] == [f"{field.name}__in"]
    ]


FIELDS = [pytest.param(field, id=str(field)) for field in fields_with_choices()]


@pytest.mark.parametrize("field", FIELDS)
def test_the_constraint_names_the_choices(field: models.Field) -> None:
    choices = {value for value, _ in field.flatchoices} | ({""} if field.blank else set())
    assert known(field) == [choices], f"{field}: see core/sql/known_values.py"


def test_there_are_fields_with_choices() -> None:
    assert len(FIELDS) > 30


@pytest.mark.django_db
def test_the_database_refuses_another_value() -> None:
    park(1)
    with pytest.raises(IntegrityError, match="quota_parked_state_known"), transaction.atomic():
        Parked.objects.update(state="asleep")
