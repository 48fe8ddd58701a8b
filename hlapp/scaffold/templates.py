"""Templates of files: where each goes, and its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from string import Template

_SUFFIX = ".txt"
_DOT = "dot-"  # a name that begins with a dot would be overlooked by builders of packages


def of_kind(kind: str, names: Mapping[str, str]) -> Iterator[tuple[PurePosixPath, str]]:
    """Each file of `files/<kind>/`: its path in the project, and its text with `names` in it.

    In paths the folder or file `app` becomes `names["app"]`, and `test_name` becomes `test_` and `names["name"]`.
    """
    root = resources.files("hlapp.scaffold").joinpath("files", kind)
    for parts, file in _below(root, ()):
        path = PurePosixPath(*(_renamed(part.removesuffix(_SUFFIX), names) for part in parts))
        yield path, Template(file.read_text(encoding="utf-8")).substitute(names)


def _below(folder: Traversable, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        inside = (*parts, one.name)
        if one.is_dir():
            yield from _below(one, inside)
        elif one.name.endswith(_SUFFIX):
            yield inside, one


def _renamed(part: str, names: Mapping[str, str]) -> str:
    if part.startswith(_DOT):
        return f".{part.removeprefix(_DOT)}"
    stem, dot, ending = part.partition(".")
    renamed = {"app": names["app"], "test_app": f"test_{names['app']}", "name": names["name"]}
    renamed["test_name"] = f"test_{names['name']}"
    return f"{renamed.get(stem, stem)}{dot}{ending}"
