"""The name of a download stays a name, whatever it holds."""

from __future__ import annotations

from integrations.core.lists import spreadsheet


def test_a_name_ends_neither_its_quotes_nor_the_header() -> None:
    assert spreadsheet.attachment("contacts-1.csv") == 'attachment; filename="contacts-1.csv"'
    assert spreadsheet.attachment('a"; x="b.csv') == 'attachment; filename="a\\"; x=\\"b.csv"'
    assert spreadsheet.attachment("a\r\nSet-Cookie: b") == "attachment; filename*=utf-8''a%0D%0ASet-Cookie%3A%20b"
