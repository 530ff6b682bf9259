"""A mistake in a spec: where it is, what it is, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. ``line`` and ``column`` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    message: str
    snippet: str = ""
    severity: str = ERROR

    def headline(self) -> str:
        """``file:line:column: message``, as editors understand it."""
        return f"{self.file}:{self.line}:{self.column}: {self.message}"

    def render(self) -> str:
        """The headline, the offending line and a caret under the place."""
        if not self.snippet:
            return self.headline()
        margin = f"{self.line:>6} | "
        caret = " " * (len(margin) - 2) + "| " + " " * (self.column - 1) + "^"
        return f"{self.headline()}\n{margin}{self.snippet}\n{caret}"


class SpecProblems(Exception):
    """The specs cannot be used; carries every problem that was found, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(each.headline() for each in self.problems))


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` for a word that is close to a known one, else the known few."""
    choices: Sequence[str] = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known are {', '.join(choices)}" if 0 < len(choices) <= 12 else ""
