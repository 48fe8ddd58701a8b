"""Figures of a benchmark that may not be exceeded. All are ratios or counts, never seconds of one machine; but for the
time that an operator waits: for a page of the largest deployment, and for a command to begin.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass
class Bounds:
    """Judges figures one by one, prints each verdict, and ends the process with 1 if one was above its bound."""

    exceeded: list[str] = field(default_factory=list)

    def judge(self, figure: str, value: float, most: float) -> None:
        """Print the figure beside the most that it may be."""
        is_within = value <= most
        if not is_within:
            self.exceeded.append(figure)
        word = "within" if is_within else "ABOVE "
        sys.stdout.write(f"  {word} {most:>8,.2f}: {figure} is {value:,.2f}\n")

    def finish(self) -> None:
        """Raises SystemExit when a figure was above its bound, and names those figures."""
        if self.exceeded:
            raise SystemExit(f"above the bound: {'; '.join(self.exceeded)}")
