"""Exception of the demo."""

from __future__ import annotations


class DemoFailed(Exception):
    """The demo cannot continue. The message is one line with the reason."""
