"""No test passes whatever the code does: tests without an assertion, and assertions that cannot fail, are found here.

Read from the source, so that it takes no run to see: an assertion about a constant or a non-empty display, a value
compared with itself (an expression with a call in it may differ from itself, so it may be compared), and a test
function that neither asserts nor expects an exception, nor calls a helper of the tests that does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

Function = ast.FunctionDef | ast.AsyncFunctionDef
# The statement, and calls of pytest, Playwright and pytest-django that fail the test themselves.
CHECKS = {"assert", "raises", "warns", "fail", "expect", "django_assert_num_queries", "django_assert_max_num_queries"}
# Methods that much else has too: that some helper of ours asserts under such a name proves nothing for a test.
COMMON = {"get", "post", "put", "read", "call", "start", "send", "fill", "install"}


@cache
def sources() -> dict[str, ast.Module]:
    return {str(path.relative_to(TESTS)): ast.parse(path.read_text()) for path in sorted(TESTS.rglob("*.py"))}


@pytest.mark.slow
def test_no_assertion_is_bound_to_hold() -> None:
    found = [f"{name}:{line} {why}" for name, tree in sources().items() for line, why in bound_to_hold(tree)]
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_every_test_checks_something() -> None:
    checking = helpers_that_check(list(sources().values()))
    found = [
        f"{name}:{test.lineno} {test.name}"
        for name, tree in sources().items()
        for test in every_test(tree)
        if not used(test) & checking
    ]
    assert not found, "\n".join(found)


def bound_to_hold(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and reason of every `assert` in the tree that holds whatever the code under test does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield from ((node.lineno, why) for why in reasons(node.test))


def reasons(expression: ast.expr) -> Iterator[str]:
    if is_constant(expression) or isinstance(expression, ast.Lambda | ast.GeneratorExp | ast.JoinedStr):
        yield f"always the same: {ast.unparse(expression)}"
    elif isinstance(expression, ast.Tuple | ast.List | ast.Set | ast.Dict):
        yield f"a display is true: {ast.unparse(expression)}"
    elif isinstance(expression, ast.BoolOp):
        for part in expression.values:
            yield from reasons(part)
    elif isinstance(expression, ast.Compare):
        sides = [expression.left, *expression.comparators]
        for left, right in pairwise(sides):
            yield from (f"compared with itself: {ast.unparse(same)}" for same in sames(left, right))


def sames(left: ast.expr, right: ast.expr) -> Iterator[ast.expr]:
    """What stands on both sides, in the same place of tuples, lists and dictionaries too."""
    if is_constant(left) and is_constant(right) and not elements(left):
        yield left
    elif len(elements(left)) == len(elements(right)) > 0 and type(left) is type(right):
        for one, other in zip(elements(left), elements(right), strict=True):
            if not (is_constant(one) and is_constant(other)):
                yield from sames(one, other)
    elif ast.dump(left) == ast.dump(right) and not any(isinstance(node, ast.Call) for node in ast.walk(left)):
        yield left


def elements(expression: ast.expr) -> list[ast.expr]:
    if isinstance(expression, ast.Tuple | ast.List):
        return expression.elts
    return expression.values if isinstance(expression, ast.Dict) else []


def is_constant(expression: ast.expr) -> bool:
    try:
        ast.literal_eval(expression)
    except (ValueError, TypeError):
        return False
    return True


def every_test(tree: ast.Module) -> Iterator[Function]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
    for holder in (tree, *classes):
        yield from (node for node in holder.body if isinstance(node, Function) and node.name.startswith("test_"))


def helpers_that_check(trees: list[ast.Module]) -> set[str]:
    """The names of the tests' own functions that assert, or call one that does."""
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]
    helpers = [(node.name, used(node)) for node in functions if not node.name.startswith("test_")]
    found = set(CHECKS)
    while more := {name for name, names in helpers if names & found} - COMMON - found:
        found |= more
    return found


def used(function: Function) -> set[str]:
    """The names of the functions and methods that it calls, and "assert" if it asserts."""
    nodes = list(ast.walk(function))
    targets = [node.func for node in nodes if isinstance(node, ast.Call)]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    names |= {target.attr for target in targets if isinstance(target, ast.Attribute)}
    return names | {"assert" for node in nodes if isinstance(node, ast.Assert)}


@pytest.mark.parametrize(
    "source",
    [
        "True",
        "1 == 1",
        "x == x",
        "x.y is x.y",
        "(x.y, f()) == (x.y, 0)",
        "{'a': x, 'b': y} == {'a': 1, 'b': y}",
        "a and x == x",
        "(x == 1, 'said why')",
        "[x]",
        "f'{x}'",
        "(x for x in y)",
    ],
)
def test_what_cannot_fail_is_found(source: str) -> None:
    assert list(bound_to_hold(ast.parse(f"assert {source}")))


@pytest.mark.parametrize(
    "source",
    ["x", "x == y", "f() == f()", "(x, 1) == (y, 1)", "(a, 0) == (b, 0)", "not x", "x == []", "len(x) == 0", "f(x)"],
)
def test_what_can_fail_is_left_alone(source: str) -> None:
    assert list(bound_to_hold(ast.parse(f"assert {source}"))) == []


@pytest.mark.parametrize(
    ("body", "checked"),
    [
        ("assert x", True),
        ("with pytest.raises(E): f()", True),
        ("expect(page).to_be_visible()", True),
        ("holds(1)", True),
        ("indirectly(1)", True),
        ("f()", False),
        ("self.get()", False),
    ],
)
def test_whether_a_test_checks_something(body: str, checked: bool) -> None:
    tree = ast.parse(
        "def holds(x):\n    assert x\n"
        "def indirectly(x):\n    holds(x)\n"
        "def get():\n    assert 1\n"
        f"def test_it():\n    {body}\n"
    )
    (test,) = every_test(tree)
    assert bool(used(test) & helpers_that_check([tree])) is checked
