"""Reads the repository's documents and the citations in its code. Pure: texts in, problems as lines of text out.

A *citation* is a reference from code or a document to a numbered section: `FACTS section 1.5` for docs/vendor-facts.md,
`QUOTA section 2` for docs/quota.md. It may run over a line's end inside a comment.
"""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

GENERATED = {"node_modules", "staticfiles", "__pycache__"}
HIDDEN_BUT_OURS = {".ci"}
CITED = {"FACTS": "docs/vendor-facts.md", "QUOTA": "docs/quota.md"}

_FENCE = re.compile(r"^( {0,3})(```+|~~~+).*?^ {0,3}\2[^\n]*$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a\s+(?:id|name)=[\"']([^\"']+)[\"']")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^\s()<>]+)>?(?:\s+[\"'][^)]*)?\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE)
_HREF = re.compile(r"<a\s[^>]*href=[\"']([^\"']+)[\"']")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

_GAP = r"\s+(?:(?:\#|--|//|\*)\s+)?"  # also where a comment goes on in the next line
_NUMBER = r"\d+(?:\.\d+)?"
_LABEL = rf"'[^'\n]+'(?:{_GAP}\([^()\n]*\))?"
_ITEM = rf"{_NUMBER}(?:{_GAP}{_LABEL}(?:{_GAP}and{_GAP}{_LABEL})*|,{_GAP}\"[A-Z][^\"\n]*\")?"
_LIST = rf"{_ITEM}(?:(?:,|,?{_GAP}and){_GAP}{_ITEM})*"
_CITATION = re.compile(rf"\b(?:(FACTS){_GAP}(?:sections?{_GAP})?|(QUOTA){_GAP}sections?{_GAP})({_LIST})")
_NAMED = re.compile(rf"\b(FACTS|QUOTA),{_GAP}([a-z][a-z ]*[a-z])(?=[,).;])")
_ITEM_PARTS = re.compile(rf"({_NUMBER})((?:{_GAP}(?:and{_GAP})?{_LABEL})*)(?:,{_GAP}\"([A-Z][^\"\n]*)\")?")
_DOCUMENT = re.compile(r"(?<![\w./-])(docs/[\w./-]+\.md)(?:#([\w.-]+))?")
_BARE = re.compile(r"(?<![\w/])((?:vendor-facts|quota|architecture|glossary)\.md)#([\w.-]+)")
_DOTTED = re.compile(r"`(?:integrations\.)?([a-z]\w*(?:\.\w+)+)(?:\([^`]*\))?`")
_LITERAL = re.compile(r"[\"']([a-z_]\w*(?:\.\w+)+)[\"']")
_ENDINGS = {"py", "lua", "css", "html", "md", "log"}
_PATH = re.compile(r"(?:integrations|hlapp|tests|bench|docs|requirements|\.ci)(?:/[\w.*-]+)+/?")


def files(root: Path, *endings: str) -> Iterator[Path]:
    """The repository's own files with these endings, in a steady order."""
    for folder, names, found in os.walk(root):
        names[:] = sorted(
            name for name in names if name not in GENERATED and (not name.startswith(".") or name in HIDDEN_BUT_OURS)
        )
        yield from (Path(folder, name) for name in sorted(found) if name.endswith(endings))


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def without_code(text: str) -> str:
    """The same text with code blanked, so that every place and line stays where it was."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0])

    return _CODE_SPAN.sub(blank, _FENCE.sub(blank, text))


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Everything in a document that `#…` can point to."""
    text = path.read_text(encoding="utf-8")
    prose = _FENCE.sub("", text)
    seen: Counter[str] = Counter()
    made: set[str] = set(_ANCHOR.findall(prose))
    for heading in _HEADING.findall(prose):
        name = slug(heading)
        made.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(made)


@cache
def sections(path: Path) -> dict[str, str]:
    """The numbered sections of a document, each with all of its text, its subsections included."""
    text = path.read_text(encoding="utf-8")
    heads = list(re.finditer(rf"^(#{{2,4}}) ({_NUMBER})\.? .*$", text, re.MULTILINE))
    made = {}
    for place, head in enumerate(heads):
        after = (later.start() for later in heads[place + 1 :] if len(later[1]) <= len(head[1]))
        made[head[2]] = text[head.start() : next(after, len(text))]
    return made


def broken_links(path: Path, root: Path) -> list[str]:
    """Relative links and anchors of one Markdown file that lead nowhere, or out of the repository."""
    text = without_code(path.read_text(encoding="utf-8"))
    found = [(match.start(), match[1]) for kind in (_LINK, _REFERENCE, _HREF) for match in kind.finditer(text)]
    problems = []
    for place, target in sorted(found):
        if _SCHEME.match(target) or target.startswith("//"):
            continue
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        where = f"{path.relative_to(root)}:{line_of(text, place)}"
        if not goal.is_relative_to(root):
            problems.append(f"{where}: {target} leads out of the repository")
        elif not goal.exists():
            problems.append(f"{where}: {target} is not there")
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
            problems.append(f"{where}: {target} names no heading or anchor")
    return problems


def bad_citations(text: str, root: Path) -> list[str]:
    """Citations of sections, row labels and headings that do not exist, each as `line: what`."""
    problems = []
    for match in _CITATION.finditer(text):
        name, line = match[1] or match[2], line_of(text, match.start())
        known = sections(root / CITED[name])
        for item in _ITEM_PARTS.finditer(match[3]):
            if item[1] not in known:
                problems.append(f"{line}: {name} has no section {item[1]}")
                continue
            labels = [*re.findall(r"'([^'\n]+)'", item[2]), *filter(None, [item[3]])]
            missing = [label for label in labels if label not in known[item[1]]]
            problems += [f"{line}: {name} {item[1]} has no {label!r}" for label in missing]
    for match in _NAMED.finditer(text):
        titles = _HEADING.findall((root / CITED[match[1]]).read_text(encoding="utf-8"))
        if not any(title.lower().endswith(match[2]) for title in titles):
            problems.append(f"{line_of(text, match.start())}: {match[1]} has no heading {match[2]!r}")
    return problems


def bad_documents(text: str, root: Path) -> list[str]:
    """Mentions of `docs/….md`, and of anchors in the documents, that do not exist."""
    mentions = [(match.start(), match[1], match[2]) for match in _DOCUMENT.finditer(text)]
    mentions += [(match.start(), f"docs/{match[1]}", match[2]) for match in _BARE.finditer(text)]
    problems = []
    for place, name, anchor in mentions:
        if not (root / name).is_file():
            problems.append(f"{line_of(text, place)}: there is no {name}")
        elif anchor and anchor not in anchors(root / name):
            problems.append(f"{line_of(text, place)}: {name} has no #{anchor}")
    return problems


def missing_paths(text: str, root: Path) -> list[str]:
    """Paths in backticks that look like the repository's and are not there. `*` stands for any name."""
    problems = []
    prose = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for match in _CODE_SPAN.finditer(prose):
        name = match[2].strip()
        if not _PATH.fullmatch(name):
            continue
        there = any(root.glob(name)) if "*" in name else (root / name).exists()
        if not there or (name.endswith("/") and "*" not in name and not (root / name).is_dir()):
            problems.append(f"{line_of(prose, match.start())}: there is no {name}")
    return problems


def missing_files(text: str, root: Path) -> list[str]:
    """Paths anywhere in a text that look like the repository's and are not there."""
    problems = []
    for match in re.finditer(rf"(?<![\w./-]){_PATH.pattern}", text):
        name = match[0].rstrip(".")
        if "*" not in name and not (root / name).exists():
            problems.append(f"{line_of(text, match.start())}: there is no {name}")
    return problems


def unknown_names(text: str, root: Path) -> list[str]:
    """Dotted names in backticks that begin with a room and lead to no module, class or function.

    A model may stand without its module: `sync.Run`. What the code has as a string is the name of a log line, an audit
    action or a task, and no place in the code.
    """
    problems = []
    for match in _DOTTED.finditer(text):
        name = match[1]
        room, *rest = name.split(".")
        if not (root / "integrations" / room / "__init__.py").is_file() or rest[-1] in _ENDINGS:
            continue
        if not _leads_somewhere(root / "integrations" / room, rest) and name not in _literals(root):
            problems.append(f"{line_of(text, match.start())}: there is no {name}")
    return problems


def _leads_somewhere(package: Path, names: list[str]) -> bool:
    first, *rest = names
    if (package / first).is_dir():
        return not rest or _leads_somewhere(package / first, rest)
    if (package / f"{first}.py").is_file():
        return not rest or rest[0] in _defined(package / f"{first}.py")
    inside = (path for path in (package / "__init__.py", package / "models.py") if path.is_file())
    return any(first in _defined(path) for path in inside)


@cache
def _defined(path: Path) -> frozenset[str]:
    """Functions, classes, constants and imports of a module."""
    made: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            made.update(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
    return frozenset(made)


@cache
def _literals(root: Path) -> frozenset[str]:
    """Dotted strings in the code."""
    texts = (path.read_text(encoding="utf-8") for path in files(root, ".py"))
    return frozenset(name for text in texts for name in _LITERAL.findall(text))
