"""What commands print: JSON for machines on standard output and nothing else, or lines for people.

Texts that come from elsewhere (names, errors, log lines) are cleaned: no control character reaches a terminal.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text

# Control characters, surrogates, and the marks that reverse the order of what is shown.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")
# Output that goes to a file or a program is not cut or folded, unless COLUMNS asks for a width.
UNLIMITED = 100_000


class ReaderGone(Exception):
    """The program that read standard output has ended, as `head` does."""


class People(Console):
    """A console that prints text as it is: no markup, no emoji codes, no colours for numbers and paths."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)
        if not self.is_terminal and not os.environ.get("COLUMNS"):
            self.width = UNLIMITED

    @property
    def is_limited(self) -> bool:
        """Whether lines must fit a width."""
        return self.width < UNLIMITED

    def on_broken_pipe(self) -> NoReturn:
        """Called by rich where standard output cannot be written."""
        raise ReaderGone


people = People()


def clean(value: object) -> str:
    """A value as text on one line; control characters are shown as \\x1b and the like, None as a dash."""
    return "-" if value is None else UNSAFE.sub(lambda found: _escaped(found[0]), str(value))


def machine(value: Any) -> None:
    """One JSON value on one line."""
    text = json.dumps(value, ensure_ascii=False)
    _write(UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def line(text: str) -> None:
    """A line for people and scripts: as long as it is."""
    _write(clean(text))


def lines(texts: Iterable[str]) -> None:
    """Lines that are clean already, styles included."""
    _write("\n".join(texts))


def record(*values: object) -> None:
    """Values on one line, separated by tabs, for programs such as cut and awk."""
    _write("\t".join(map(clean, values)))


def paragraph(text: str) -> None:
    """A sentence for people, folded to the width of the terminal."""
    for one in folded(clean(text), people.width):
        _write(one)


def fail(text: str) -> None:
    """An error on standard error, after the name of the command; further lines of the text are lines of their own."""
    first, *rest = text.split("\n")
    notice(f"retort: {first}", *rest)


def notice(*lines: str) -> None:
    """Lines on standard error, which are not part of a result."""
    if sys.stderr is None:  # closed by the caller; print would write to standard output instead
        return
    with contextlib.suppress(BrokenPipeError):
        print("\n".join(map(clean, lines)), file=sys.stderr, flush=True)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """One fact a line, its name first; facts without a value are left out. Long values continue below their start."""
    kept = [(name, clean(value)) for name, value in pairs if value not in (None, "", {}, [])]
    width = max((len(name) for name, _ in kept), default=0) + 2
    for name, value in kept:
        first, *rest = folded(value, people.width - width)
        _write("\n".join([f"{name:<{width}}{first}", *(" " * width + one for one in rest)]))


def folded(text: str, width: int) -> list[str]:
    """The lines of a text that fit a width in terminal cells; at least one line."""
    if not people.is_limited:
        return [text]
    return [one.plain.rstrip() for one in Text(text).wrap(people, max(width, 10))] or [""]


def _write(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise ReaderGone from None


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
