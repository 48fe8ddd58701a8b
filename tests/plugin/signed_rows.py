"""Gives rows that tests create the MACs that the application gives to those that it creates.

An UPDATE (`QuerySet.update`, SQL) gets none: that is how a test plays somebody who writes to the database.
"""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save


def sign_what_tests_create() -> None:
    """Sign each row when it is created."""
    from tests.support import signed  # noqa: PLC0415 - models are not loaded before this

    def saved(sender: Any, instance: Any, *, created: bool, **_: Any) -> None:
        if created and instance.mac is None:
            sender.objects.filter(pk=instance.pk).update(**signed.MACS[sender](instance))

    for model in signed.MACS:
        post_save.connect(saved, sender=model, weak=False)
