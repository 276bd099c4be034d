"""What the pages say in code: in fenced blocks and in running text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PARSER = MarkdownIt("commonmark").enable("table")


class Code(NamedTuple):
    """A block, a command of one, or a piece within a line."""

    page: str
    """Path below the repository's root."""
    line: int
    language: str
    """As the block names it; "" within a line."""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def list_pages() -> list[str]:
    """README.md and every page of docs/, as they would be read."""
    docs = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    first = ["README.md", "docs/tutorial.md"]
    how_to = sorted(page for page in docs if page.startswith("docs/how_to/"))
    return [*first, *how_to, *sorted(set(docs) - {*first, *how_to})]


def list_blocks(page: str) -> Iterator[Code]:
    for token in PARSER.parse((ROOT / page).read_text(encoding="utf-8")):
        assert token.type != "code_block", f"{page}: fence the block at {token.map}"
        if token.type == "fence":
            yield Code(page, token.map[0] + 1, token.info.strip(), token.content)


def list_inline(page: str) -> Iterator[Code]:
    for token in PARSER.parse((ROOT / page).read_text(encoding="utf-8")):
        for child in token.children or ():
            if child.type == "code_inline":
                text = " ".join(child.content.split())
                yield Code(page, token.map[0] + 1, "", text)


def list_links(page: str) -> Iterator[Code]:
    for token in PARSER.parse((ROOT / page).read_text(encoding="utf-8")):
        for child in token.children or ():
            target = child.attrs.get("href") or child.attrs.get("src")
            if target:
                yield Code(page, token.map[0] + 1, "", str(target))


def split_commands(block: Code) -> Iterator[Code]:
    """Commands of a block for the shell; a script that names its shell is one."""
    if block.text.startswith("#!"):
        yield block
        return
    pending, begun = "", 0
    for offset, line in enumerate(block.text.splitlines(), start=1):
        begun = begun if pending else block.line + offset
        pending += line
        if not is_complete(pending):
            pending = pending.removesuffix("\\") + ("" if line.endswith("\\") else "\n")
            continue
        if shlex.split(pending, comments=True):
            yield Code(block.page, begun, block.language, pending.strip())
        pending = ""
    assert not pending, f"{block.page}:{block.line}: the last command has no end"


def is_complete(text: str) -> bool:
    if text.endswith("\\"):
        return False
    try:
        shlex.split(text, comments=True)
    except ValueError:  # a quotation is still open
        return False
    return True
