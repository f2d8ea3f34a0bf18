"""The fenced blocks of a Markdown page, and which of them a reader is meant to run.

A block marked `sh` is a bash script that runs as printed from the root of a fresh clone, one after the other in a page;
`python run` is a Python program likewise. `sh no-run` cannot run in a test: a comment `<!-- no-run: reason -->` stands
on the line before it. From a line `<!-- service: up -->` on, the blocks of the page need a running `retort up`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SERVICE = "<!-- service: up -->"
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REASON = re.compile(r"<!-- no-run: (.+?) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """One fenced block: `words` follow the fence, `line` is where it starts, `reason` is why it does not run."""

    page: Path
    line: int
    words: tuple[str, ...]
    text: str
    needs_service: bool
    reason: str | None

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands of a shell, run or not."""
        return self.words[:1] == ("sh",)

    @property
    def runs(self) -> bool:
        """Whether a test runs it as printed."""
        return self.words in (("sh",), ("python", "run"))

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, match) for match in _FENCE.finditer(text)]


def _block(page: Path, text: str, match: re.Match[str]) -> Block:
    before = text[: match.start()]
    reason = _REASON.search(before)
    words = tuple(match[1].split())
    return Block(page, before.count("\n") + 1, words, match[2], SERVICE in before, reason[1] if reason else None)


ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]
