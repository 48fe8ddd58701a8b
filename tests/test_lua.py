"""The Lua scripts that the quota sends to Redis, each as it is sent, with its parts: syntax, names, unused locals.

`make check` runs this file without conftest. luaparser is one of its packages, so `make test` alone skips the file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.quota.permits import scripts

pytest.importorskip("luaparser")

from luaparser.ast import SyntaxException

from tests.support import lua_lint

FOLDER = Path(scripts.__file__).parent / "lua"
TEXTS = {path.stem: path.read_text() for path in FOLDER.glob("*.lua")}
# Those that no other one includes.
WHOLE = sorted(name for name in TEXTS if not any(f"--@{name}\n" in text for text in TEXTS.values()))


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_scripts_define_and_use_their_names(name: str) -> None:
    assert lua_lint.findings(scripts.text(name)) == []


def test_faults_are_found_where_they_are() -> None:
    script = """#!lua flags=no-writes
local function double(n, unused) return n * 2 end
local total, never = 0, 1
for _, one in ipairs(ARGV) do
  if one == 'rare' then total = total + double(won) end
  local left = one
  left = nil
end
repeat local stop = redis.call('GET', KEYS[1]) until stop
answer = { total = total, [nothing] = 1 }
return answer.total.of.it
"""
    found = [line.partition(":")[0] for line in lua_lint.findings(script)]
    assert found == [
        "unused local 'unused'",
        "unused local 'never'",
        "undefined 'won'",
        "unused local 'left'",
        "sets global 'answer'",
        "undefined 'nothing'",
        "undefined 'answer'",
    ]


def test_a_script_that_does_not_parse_is_refused() -> None:
    with pytest.raises(SyntaxException):
        lua_lint.findings("local x = = 1")
