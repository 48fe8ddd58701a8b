"""Structure of the code: import cycles, folder sizes, docstrings, and names that rooms share.

`make check` runs this file without conftest, so it needs neither Django nor servers.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hlapp", "integrations")
FILES_IN_A_FOLDER = 25
LARGEST_FILE = 500_000  # bytes; the largest are fields of operations and screenshots

# --- Names that may stand in several rooms, with their one meaning ---------------------------------------------
SHARED_MODULES = {
    "__main__": "what `python -m` runs",
    "admin": "Django admin classes",
    "admin_views": "views below /admin/ that belong to no model",
    "apps": "AppConfig",
    "checks": "Django system checks",
    "client": "sends requests: highlevel to the vendor's OAuth endpoints, gateway to its API",
    "clock": "source of the current time",
    "contacts": "the vendor's resource: sync stores it, the sandbox serves it",
    "dialects": "parameter styles of the vendor's OAuth endpoints, read or answered",
    "errors": "exceptions of the room",
    "events": "webhook events of the room, sent or handled",
    "fields": "fields of the vendor's objects",
    "filters": "selection of rows by criteria",
    "forms": "Django forms",
    "lease": "the right of one worker to work on a row of the room",
    "leases": "rows that one worker owns for a while",
    "lost_key": "handler of the room for values that a lost key sealed",
    "marketplace": "marketplace apps",
    "models": "Django models",
    "opportunities": "the vendor's resource: sync stores it, the sandbox serves it",
    "queries": "reads for pages and commands",
    "records": "copies of the vendor's objects",
    "runs": "durable runs (`core.runs`) of the room: one turn, and cancelling",
    "scopes": "OAuth scopes",
    "sso": "page SSO: decryption in highlevel, encryption in the sandbox",
    "tasks": "Celery tasks; in sandbox.resources, the vendor's contact tasks",
    "urls": "URL patterns",
    "usage": "counts of the calls that were sent",
    "views": "request handlers",
    "wait_for_runs": "waits for the runs that a command asked for",
}
SHARED_CLASSES = {
    "AccessToken": "an access token with what it is for: issued by the sandbox, kept by tokens",
    "Command": "a management command",
    "Company": "an agency",
    "Figure": "one figure of a page, with its title and a note",
    "Grant": "one answer of the token endpoint",
    "Location": "a sub-account",
    "Event": "one webhook",
    "LeaseLost": "the lease of this worker on a row is over, or another worker has it",
    "Page": "one page of a listing",
    "Usage": "calls of a tenant in a span of time, by job and lane: gateway also by operation, quota by permit",
    "UsageAdmin": "the page of these calls",
    "Run": "one execution of a plan (`core.runs`): of a sync, of a job",
    "RunAdmin": "the page of these runs",
}

# Names in our templates that Django and Unfold define.
FOREIGN_TEMPLATE_NAMES = {
    "get_dialect_display",
    "get_kind_display",
    "get_origin_display",
    "get_state_display",
    "get_status_display",
    "get_what_display",
    "has_active_filters",
    "has_next",
    "has_previous",
    "model_admin",
    "next_page_number",
    "num_pages",
    "paginator",
    "result_count",
    "previous_page_number",
    "super",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def modules() -> dict[Path, ast.Module]:
    """Parsed files by their path from the root. Migrations and the generated facade are left out.

    The facade's methods are made from the catalogue, which holds their descriptions; `make check` compares them.
    """
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    texts = {path.relative_to(ROOT): path.read_text() for path in found if not {"migrations", "facade"} & {*path.parts}}
    return {path: ast.parse(text) for path, text in texts.items()}


def room(path: Path) -> str:
    """`hlapp`, or the Django app below integrations/."""
    return path.parts[0] if path.parts[0] == "hlapp" or len(path.parts) == 2 else path.parts[1]


def public(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """Public functions, classes and their methods. A function inside a function is private.

    Django reads the options of a class from its inner `Meta` or `Media`; there is nothing to say about these.
    """
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_") and node.name not in {"Meta", "Media"}:
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


@cache
def import_graph() -> Any:
    """A grimp.ImportGraph. `make check` installs grimp; `make test` alone skips what needs it."""
    return pytest.importorskip("grimp").build_graph(*PACKAGES, cache_dir=None)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = import_graph()
    needed = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


def test_no_siblings_import_each_other_in_a_circle() -> None:
    """Of two files or folders side by side, at most one needs the other. Pairs to separate are shown."""
    graph = import_graph()
    parents = {name.rpartition(".")[0] for name in graph.modules} - {""}
    pairs = {parent: graph.nominate_cycle_breakers(parent) for parent in parents}
    assert {parent: found for parent, found in pairs.items() if found} == {}


def test_folders_stay_small() -> None:
    """Of what we write by hand: migrations are many by nature, and the facade is generated."""
    found = (path.relative_to(ROOT) for top in (*PACKAGES, "tests", "bench") for path in (ROOT / top).rglob("*.py"))
    counted = (path for path in found if path.name != "__init__.py" and not {"migrations", "facade"} & {*path.parts})
    sizes = Counter(str(path.parent) for path in counted)
    assert {folder: size for folder, size in sizes.items() if size > FILES_IN_A_FOLDER} == {}


@pytest.mark.slow
def test_files_have_docstrings() -> None:
    bare = [str(path) for path, tree in modules().items() if tree.body and not ast.get_docstring(tree)]
    assert bare == []


def test_public_names_have_docstrings() -> None:
    bare = defaultdict(list)
    for path, tree in modules().items():
        for node in public(tree):
            if not ast.get_docstring(node):
                bare[room(path)].append(f"{path}:{node.lineno} {node.name}")
    assert bare == {}


def shared(names: dict[str, set[str]], allowed: Container[str]) -> dict[str, set[str]]:
    return {name: rooms for name, rooms in names.items() if len(rooms) > 1 and name not in allowed}


def test_a_module_name_means_the_same_in_every_room() -> None:
    rooms = defaultdict(set)
    for path in modules():
        if "commands" not in path.parts and path.name != "__init__.py":
            rooms[path.stem].add(room(path))
    assert shared(rooms, SHARED_MODULES) == {}


def test_a_class_name_means_the_same_in_every_room() -> None:
    rooms = defaultdict(set)
    for path, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                rooms[node.name].add(room(path))
    assert shared(rooms, SHARED_CLASSES) == {}


@pytest.mark.slow
def test_names_are_imported_from_where_they_are_defined() -> None:
    """Or from a module whose `__all__` lists them. A name that a module has only imported is not its own to give."""
    given = {dotted(path): own_names(tree) for path, tree in modules().items()}
    wrong = [
        f"{path}:{node.lineno} {node.module}.{alias.name}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in given
        for alias in node.names
        if alias.name not in given[node.module] and not is_module(f"{node.module}.{alias.name}")
    ]
    assert wrong == []


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def own_names(tree: ast.Module) -> set[str]:
    """What the module defines at its top level, and what its `__all__` lists."""
    names = {node.name for node in tree.body if isinstance(node, Definition)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names |= set(ast.literal_eval(node.value))
    return names


@pytest.mark.slow
def test_templates_read_names_that_exist() -> None:
    """A template shows nothing for an unknown name, so a rename in Python has to be made there too."""
    texts = {path: path.read_text() for path in (ROOT / "hlapp/templates").rglob("*.html")}
    read = {
        name: str(path.relative_to(ROOT))
        for path, text in texts.items()
        for tag in re.findall(r"{[{%].+?[%}]}", text)
        for name in re.findall(r"\.([a-z]\w*)", re.sub(r"\"[^\"]*\"|'[^']*'", "", tag))
    }
    known = {name for path, tree in modules().items() for node in ast.walk(tree) for name in member_names(node)}
    assert {name: path for name, path in read.items() if name not in known | FOREIGN_TEMPLATE_NAMES} == {}


def member_names(node: ast.AST) -> Iterator[str]:
    """The names that this node gives to a member of an object: no local variables."""
    match node:
        case ast.FunctionDef(name=name) | ast.keyword(arg=str(name)) | ast.Constant(value=str(name)):
            yield name
        case ast.ClassDef(body=body):
            targets = [one.target for one in body if isinstance(one, ast.AnnAssign)]
            targets += [target for one in body if isinstance(one, ast.Assign) for target in one.targets]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_no_file_is_large() -> None:
    """A file that was committed by mistake stays in every clone for ever."""
    if not (ROOT / ".git").exists():
        pytest.skip("no repository: an archive of the sources")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    sizes = {
        name: (ROOT / name).stat().st_size for name in listed.stdout.split("\0") if name and (ROOT / name).exists()
    }
    assert sizes
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}
