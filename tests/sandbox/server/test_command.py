"""`manage.py sandbox` has the same options as `python -m integrations.sandbox`, with the same effect."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from integrations.sandbox.management.commands.sandbox import Command
from integrations.sandbox.options import Options
from integrations.sandbox.server import commandline


@pytest.mark.parametrize("code", [0, 1])
def test_the_command_runs_the_sandbox_and_exits_with_its_code(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    seen: list[Options] = []

    def run(options: Options) -> int:
        seen.append(options)
        return code

    monkeypatch.setattr(commandline, "run", run)
    with pytest.raises(SystemExit) as ended:
        call_command(Command(), "--port", "0", "--locations", "7", "--redirect-uri", "https://app.example.com/cb")
    assert ended.value.code == code
    assert seen == [Options(port=0, locations=7, redirect_uris=("https://app.example.com/cb",))]
