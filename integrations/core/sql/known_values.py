"""CheckConstraints for fields with choices: the database refuses a value that no code knows."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models


def known_values(**fields: Iterable[object]) -> list[models.BaseConstraint]:
    """A constraint for each of these fields of a model: it has one of the values. For `Meta.constraints`.

    `Meta` cannot see the choices of the class around it, so the values are written again; a test compares them. Where
    "" is allowed (`blank=True`) it is one of them. A further value needs a migration that replaces the constraint.
    """
    return [
        models.CheckConstraint(
            condition=models.Q((f"{name}__in", list(values))), name=f"%(app_label)s_%(class)s_{name}_known"
        )
        for name, values in fields.items()
    ]
