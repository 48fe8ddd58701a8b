"""The documents hold together: every link, every citation of a section and every path leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs import documents

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = list(documents.files(ROOT, ".md"))
EXAMPLES = Path(__file__)  # of good and bad citations
CONFIGURATION = list(documents.files(ROOT, ".yaml", ".yml", ".toml", "Makefile", "Dockerfile", "Procfile", ".example"))
TEXTS = [*documents.files(ROOT, ".py", ".lua", ".html", ".md"), *CONFIGURATION]
CITING = [path for path in TEXTS if path != EXAMPLES]
HISTORY = {"CHANGELOG.md"}  # names what was there at the time
IN_THE_WHEEL = "hlapp/CHANGELOG.md"  # the build puts it there
LONGEST_LINE = 140


def problems_in(paths: list[Path], judge: Callable[[str, Path], list[str]]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{problem}"
        for path in paths
        for problem in judge(path.read_text(encoding="utf-8"), ROOT)
    ]


def test_links_lead_somewhere() -> None:
    assert [problem for path in MARKDOWN for problem in documents.broken_links(path, ROOT)] == []


@pytest.mark.slow
def test_citations_name_sections_that_exist() -> None:
    assert problems_in(CITING, documents.bad_citations) == []


@pytest.mark.slow
def test_documents_that_are_mentioned_exist() -> None:
    assert problems_in(CITING, documents.bad_documents) == []


def test_paths_in_the_documents_exist() -> None:
    current = [path for path in MARKDOWN if path.name not in HISTORY]
    assert problems_in(current, documents.missing_paths) == []


def test_paths_in_the_configuration_exist() -> None:
    assert {"Makefile", "alerts.yaml", "pyproject.toml"} <= {path.name for path in CONFIGURATION}
    missing = problems_in([*CONFIGURATION, ROOT / ".ci/run"], documents.missing_files)
    assert [problem for problem in missing if not problem.endswith(IN_THE_WHEEL)] == []


def test_names_of_modules_and_functions_in_backticks_exist() -> None:
    present = [path for path in CITING if path.name not in HISTORY]
    assert problems_in(present, documents.unknown_names) == []


def test_the_names_in_the_readmes_picture_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    picture = readme.split("## How data flows\n")[1].split("\n## ")[0]
    names = re.findall(r"\b[a-z]\w*(?:\.\w+)+", picture)
    assert len(names) > 20
    assert documents.unknown_names(" ".join(f"`{name}`" for name in names), ROOT) == []


@pytest.mark.parametrize(("name", "prefix"), [("docs/vendor-facts.md", "facts"), ("docs/quota.md", "quota")])
def test_every_numbered_section_has_its_anchor(name: str, prefix: str) -> None:
    """Directly above its heading, so that a link shows the heading."""
    text = (ROOT / name).read_text(encoding="utf-8")
    numbers = list(documents.sections(ROOT / name))
    heads = re.findall(rf'^<a id="{prefix}-([\d-]+)"></a>\n#+ ([\d.]+?)\.? ', text, re.MULTILINE)
    assert [(anchor.replace("-", "."), number) for anchor, number in heads] == [(each, each) for each in numbers]


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    index = re.findall(r"\((\d\d-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert index == pages


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_a_decision_has_its_four_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(rf"# {int(path.name[:2])}\. \S", text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Alternatives turned down",
    ]


def test_the_glossary_is_in_order() -> None:
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    terms = [row.lower() for row in rows if row not in ("Term", "---")]
    assert terms == sorted(terms)


def test_lines_are_short_enough_to_compare() -> None:
    written = [*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in written
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert long == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("1.5 Error answers", "15-error-answers"),
        ("`state` on installs", "state-on-installs"),
        ("See [the rule](quota.md), now", "see-the-rule-now"),
    ],
)
def test_slugs_are_those_of_github(heading: str, anchor: str) -> None:
    assert documents.slug(heading) == anchor


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two documents with numbered sections, and nothing else."""
    (tmp_path / "docs").mkdir()
    facts = (
        '<a id="facts-1"></a>\n## 1. OAuth\n\n### 1.5 Errors\n\n| Empty token | 422 |\n\n'
        "### Paging styles\n\n## 2. State\n"
    )
    (tmp_path / "docs" / "vendor-facts.md").write_text(facts)
    (tmp_path / "docs" / "quota.md").write_text('<a id="quota-2"></a>\n## 2. The rule\n')
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "see {F} 1.5.",
        "({F} section 2)",
        "({F} sections\n1, 1.5 and 2).",
        "# rotations are announced ({F}\n# section 1.5)",
        "-- as {F} sections 1 and\n-- 2 say",
        "{F} 1.5 'Empty token' (422) and 'Errors'",
        '{F} section 1, "OAuth"',
        "({F}, paging styles)",
        "{Q} section 2; {Q} = 3; {Q} or 4",
        "docs/vendor-facts.md#facts-1, quota.md#quota-2",
        "src/docs/other.md is another repository's",
    ],
)
def test_good_citations_pass(text: str, repository: Path) -> None:
    cited = text.format(F="FACTS", Q="QUOTA")
    assert documents.bad_citations(cited, repository) == []
    assert documents.bad_documents(cited, repository) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("see\n{F} 1.6", "2: {F} has no section 1.6"),
        ("({F} sections 1.5\nand 3)", "1: {F} has no section 3"),
        ("{F} 1.5 'Full token'", "1: {F} 1.5 has no 'Full token'"),
        ("({F}, retry rules)", "1: {F} has no heading 'retry rules'"),
        ("{Q} section 7", "1: {Q} has no section 7"),
        ("docs/{q}s.md", "1: there is no docs/{q}s.md"),
        ("vendor-facts.md#facts-{q}", "1: docs/vendor-facts.md has no #facts-{q}"),
    ],
)
def test_bad_citations_are_shown(text: str, problem: str, repository: Path) -> None:
    names = {"F": "FACTS", "Q": "QUOTA", "q": "quota"}
    cited = text.format(**names)
    found = documents.bad_citations(cited, repository) + documents.bad_documents(cited, repository)
    assert found == [problem.format(**names)]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[here](docs/quota.md#quota-2), [there](docs/quota.md#2-the-rule), [out](https://example.com)", []),
        ("`[code](nowhere.md)`\n\n```\n[code](nowhere.md)\n```\n", []),
        ("one\n[lost](nowhere.md)", ["a.md:2: nowhere.md is not there"]),
        ("[lost](docs/quota.md#rule)", ["a.md:1: docs/quota.md#rule names no heading or anchor"]),
        ("[out](../other.md)", ["a.md:1: ../other.md leads out of the repository"]),
    ],
)
def test_links_are_judged(text: str, problems: list[str], repository: Path) -> None:
    page = repository / "a.md"
    page.write_text(text)
    assert documents.broken_links(page, repository) == problems


def test_paths_are_judged(repository: Path) -> None:
    text = (
        "`docs/quota.md` `docs/` `docs/*.md` `integrations/<room>/a.py` `make check`\n`docs/none.py` `docs/quota.md/`"
    )
    assert documents.missing_paths(text, repository) == ["2: there is no docs/none.py", "2: there is no docs/quota.md/"]


def test_paths_outside_of_backticks_are_judged(repository: Path) -> None:
    text = "run docs/quota.md docs/ docs/*.md\n  docs/none.py x/docs/none.py"
    assert documents.missing_files(text, repository) == ["2: there is no docs/none.py"]


def test_a_dotted_name_leads_to_a_module_class_function_or_model(tmp_path: Path) -> None:
    room = tmp_path / "integrations" / "tokens" / "refresh"
    room.mkdir(parents=True)
    (room.parent / "__init__.py").touch()
    (room.parent / "models.py").write_text("class Credential: ...\nLONGEST: int = 3\n")
    (room / "commit.py").write_text('def new_pair() -> None:\n    log("tokens.swapped")\n')
    good = "`tokens.refresh`, `tokens.Credential.pk`, `tokens.refresh.commit.new_pair()`, `tokens.models.LONGEST`"
    others = " `tokens.swapped` is a log line, `tokens.py` a file, `django.db` foreign"
    assert documents.unknown_names(good + others, tmp_path) == []
    assert documents.unknown_names("\n`tokens.renew` and `tokens.refresh.commit.put`", tmp_path) == [
        "2: there is no tokens.renew",
        "2: there is no tokens.refresh.commit.put",
    ]
