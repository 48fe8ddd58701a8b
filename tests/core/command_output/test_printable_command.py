"""What the vendor's data says reaches a terminal as text, and does nothing to it."""

from __future__ import annotations

import io

import pytest
from django.core.management import get_commands, load_command_class

from integrations.console import terminal
from integrations.core.command_output.printable_command import PrintableCommand, PrintableOutput
from integrations.core.texts import printable

HOSTILE = "Ann\x1b]0;owned\x07\x1b[2J\x9b31m\rBob\x08\u202eevil\x00"


def test_control_characters_are_written_out() -> None:
    shown = printable(HOSTILE)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 or letter == "\u202e" for letter in shown)
    assert shown.startswith("Ann\\x1b]0;owned\\x07")


@pytest.mark.parametrize("text", ["Zoë Ångström", "two\nlines\tand a tab", "日本語", "🙂", '{"a": 1}'])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_every_command_of_ours_prints_so() -> None:
    """The sandbox is a development tool and prints no text of others."""
    ours = {name: room for name, room in get_commands().items() if str(room).startswith("integrations.")}
    assert len(ours) >= 10
    for name, room in ours.items():
        if name != "sandbox":
            assert isinstance(load_command_class(str(room), name), PrintableCommand), name


def test_a_command_prints_to_both_streams_and_to_given_ones() -> None:
    out, err = io.StringIO(), io.StringIO()

    class Command(PrintableCommand):
        requires_system_checks = ()  # type: ignore[assignment]

        def handle(self, **_: object) -> None:
            self.stdout.write(HOSTILE)
            self.stderr.write(HOSTILE)

    Command().execute(
        stdout=out, stderr=err, force_color=False, no_color=True, skip_checks=True, verbosity=1, traceback=False
    )
    Command(stdout=out, stderr=err).handle()
    for stream in (out, err):
        assert stream.getvalue().count("owned") == 2
        assert "\x1b" not in stream.getvalue()


def test_the_cells_of_tables_are_printable() -> None:
    out = io.StringIO()
    terminal.table_console(PrintableOutput(out)).print(terminal.cell(HOSTILE, style="bold"))
    assert "\x1b" not in out.getvalue()
    assert "owned" in out.getvalue()
