"""Adds a job, page, resource or handler, with its test, to an app of the project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hlapp.scaffold import insertion, templates
from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue import catalogue, event_types

KINDS = ("job", "page", "resource", "handler")


def add(kind: str, project: Path, names: Mapping[str, str]) -> Iterator[Path]:
    """Write the files, and yield each. `names` has `app`, `name`, and what the kind's templates need besides.

    Code goes to the end of a module that is there; every other file must be new. Raises BadRequest, before anything is
    written, when the app has the name already or one of its modules is broken.
    """
    texts = {project / path: text for path, text in templates.of_kind(kind, names)}
    written = {path: _text(path, text, names["name"]) for path, text in texts.items()}
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        yield path


def listing(key: str, whole: str, level: str = "") -> dict[str, str]:
    """What the template of a resource says of a listing: its key, and the list's name in an answer that has no pages.

    `level` is `location` or `company`; without it that of the tokens that the operation takes, a location if both are.
    Raises BadRequest for an operation that the catalogue lacks.
    """
    operation = catalogue("v2").operation(key)
    of_company = level == "company" or (not level and operation.kinds == {"company"})
    return {
        "operation": operation.key,
        "whole": f' whole="{whole}",' if whole else "",
        "level": " level=UserType.COMPANY," if of_company else "",
        "user_type": ", UserType" if of_company else "",
    }


def event(name: str) -> dict[str, str]:
    """What the template of a handler says of an event. Raises BadRequest for an unknown type."""
    return {"event": event_types.find(name).type}


def _text(path: Path, added: str, name: str) -> str:
    if not path.exists():
        return added.replace("urlpatterns += ", "urlpatterns = ")
    existing = path.read_text(encoding="utf-8")
    if path.suffix != ".py" or path.parent.name == "tests":
        raise BadRequest(f"{path} exists: choose another name than {name}")
    try:
        if name in insertion.defined(existing):
            raise BadRequest(f"{path} defines {name} already: choose another name")
        return insertion.merged(existing, added)
    except SyntaxError as error:
        raise BadRequest(f"{path} cannot be read: {error}") from error
