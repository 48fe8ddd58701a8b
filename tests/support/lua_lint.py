"""Finds names in a Lua script of Redis that nothing defines, and locals that nothing reads.

Redis compiles a script at its first call and looks a global name up when the line runs. So a misspelt name in a rare
branch would pass every test that does not take that branch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from luaparser import ast, astnodes

# What Redis gives to a script (https://redis.io/docs/latest/develop/programmability/lua-api/).
GLOBALS = frozenset(
    {"KEYS", "ARGV", "redis", "cjson", "cmsgpack", "bit", "string", "table", "math"}
    | {"assert", "error", "pcall", "type", "tostring", "tonumber", "ipairs", "pairs", "next", "select", "unpack"}
)


def findings(script: str) -> list[str]:
    """One line per fault, with the line of the script. Raises luaparser's SyntaxException."""
    lines = re.sub(r"\A#!", "--", script)  # `#!lua flags=…`: for Redis a header, for Lua an error
    lint = _Lint()
    lint.block(ast.parse(lines).body)
    return [f"{text}: {script.splitlines()[line - 1].strip()}" for line, text in sorted(lint.found)]


@dataclass
class _Local:
    line: int
    is_read: bool = False


class _Lint:
    """Resolves the names of a script in the order in which Lua does, block by block."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._scopes: list[dict[str, _Local]] = []
        self._line = 1  # of what is visited: luaparser gives some names none

    def block(self, body: astnodes.Block, names: Iterable[astnodes.Node] = (), test: object = None) -> None:
        """A scope: `names` are its parameters or loop variables, `test` the condition of a `repeat`."""
        self._scopes.append({})
        self._define(names)
        for statement in body.body:
            self.visit(statement)
        self.visit(test)
        for name, local in self._scopes.pop().items():
            self._ends(name, local)

    def visit(self, node: object) -> None:
        """Any part of the tree: by the method named after its class, else by its parts."""
        if isinstance(node, list):
            for part in node:
                self.visit(part)
        elif isinstance(node, astnodes.Node):
            self._line = node.line or self._line
            getattr(self, f"_{type(node).__name__.lower()}", self._parts)(node)

    def _parts(self, node: astnodes.Node) -> None:
        self.visit([part for name, part in vars(node).items() if not name.startswith("_")])

    def _block(self, node: astnodes.Block) -> None:
        self.block(node)

    def _name(self, node: astnodes.Name) -> None:
        for scope in reversed(self._scopes):
            if node.id in scope:
                scope[node.id].is_read = True
                return
        if node.id not in GLOBALS:
            self.found.append((self._line, f"undefined {node.id!r}"))

    def _localassign(self, node: astnodes.LocalAssign) -> None:
        self.visit(node.values)
        self._define(node.targets)

    def _assign(self, node: astnodes.Assign) -> None:
        """Setting a local is not reading it. Redis forbids setting a global."""
        self.visit(node.values)
        for target in node.targets:
            if not isinstance(target, astnodes.Name):
                self.visit(target)
            elif not any(target.id in scope for scope in self._scopes):
                self.found.append((self._line, f"sets global {target.id!r}"))

    def _forin(self, node: astnodes.Forin) -> None:
        self.visit(node.iter)
        self.block(node.body, node.targets)

    def _fornum(self, node: astnodes.Fornum) -> None:
        self.visit([node.start, node.stop, node.step])
        self.block(node.body, [node.target])

    def _repeat(self, node: astnodes.Repeat) -> None:
        self.block(node.body, test=node.test)

    def _localfunction(self, node: astnodes.LocalFunction) -> None:
        self._define([node.name])
        self.block(node.body, node.args)

    def _anonymousfunction(self, node: astnodes.AnonymousFunction) -> None:
        self.block(node.body, node.args)

    def _index(self, node: astnodes.Index) -> None:
        """What follows a dot is a key."""
        self.visit(node.value if node.notation == astnodes.IndexNotation.DOT else [node.value, node.idx])

    def _field(self, node: astnodes.Field) -> None:
        """What precedes the equals sign in a table is a key, unless it stands in brackets."""
        self.visit([node.key, node.value] if node.between_brackets else node.value)

    def _invoke(self, node: astnodes.Invoke) -> None:
        self.visit([node.source, node.args])

    def _define(self, names: Iterable[astnodes.Node]) -> None:
        for name in names:
            if isinstance(name, astnodes.Name):
                if hidden := self._scopes[-1].get(name.id):
                    self._ends(name.id, hidden)
                self._scopes[-1][name.id] = _Local(self._line)

    def _ends(self, name: str, local: _Local) -> None:
        if not (local.is_read or name.startswith("_")):
            self.found.append((local.line, f"unused local {name!r}"))
