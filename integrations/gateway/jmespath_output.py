"""JMESPath selection from a response (jmespath.org), and its output as lines of text for the shell.

`contacts[].email` gives a line for each item; `contacts[].[id, email]` gives several columns separated by tabs.
Characters that would break a line or a column (tab, line break, backslash) are escaped as in JSON. A text that is
selected alone is written unchanged.
"""

from __future__ import annotations

import json
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from integrations.core.errors import BadRequest

_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class ResponseSelection:
    """A checked JMESPath expression. Raises BadRequest when it is not JMESPath or does not fit the value."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        try:
            self._parsed = jmespath.compile(expression)
        except JMESPathError as error:
            raise self._mistake(error) from error

    def of(self, answer: Any) -> Any:
        """The selected value; None when nothing has this name."""
        try:
            return self._parsed.search(answer)
        except JMESPathError as error:
            raise self._mistake(error) from error

    def required_of(self, answer: Any) -> Any:
        """As `of`, but raises BadRequest when it selects nothing from a value that is not empty."""
        found = self.of(answer)
        if found is None or (found == [] and self._before_the_last(answer)):
            raise self.missing(answer)
        return found

    def missing(self, answer: Any) -> BadRequest:
        """The BadRequest for a selection without a result; it lists the names at the top level."""
        there = f": it has {', '.join(map(str, answer))}" if isinstance(answer, dict) and answer else ""
        return BadRequest(f"the answer has nothing at '{self.expression}'{there}", field=self.expression)

    def _before_the_last(self, answer: Any) -> Any:
        """The value one step up: `contacts` for `contacts[].emial`. JMESPath skips items that lack a name, so a
        misspelled name gives an empty list, just as a list without items does.
        """
        tree = self._parsed.parsed
        if tree["type"] not in ("projection", "value_projection"):
            return None
        return ParsedResult(self.expression, tree["children"][0]).search(answer)

    def _mistake(self, error: JMESPathError) -> BadRequest:
        return BadRequest(
            f"the expression '{self.expression}' does not work: {str(error).splitlines()[0]}", field=self.expression
        )


def lines(chosen: Any) -> list[str]:
    """One line for each item of a list; an item that is a list itself has its values separated by tabs."""
    if not isinstance(chosen, list):
        return [chosen if isinstance(chosen, str) else _cell(chosen)]
    return ["\t".join(map(_cell, row)) if isinstance(row, list) else _cell(row) for row in chosen]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value.translate(_ESCAPED) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
