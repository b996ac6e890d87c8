"""Code blocks of the pages, and how they are run: one shell a page, in an empty folder.

A line before a block may say what it is: `<!-- file: NAME -->` is saved under that name,
`<!-- not run: why -->` is passed over. `sh`, `python` and `console` are run (in the last, commands
stand after `$ `, and below each what it prints), `yaml` is at least read; `text`, `ini`, `csv`,
`json` and `sql` are shown only.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
RUN = ("sh", "console", "python")
SHOWN = ("text", "ini", "csv", "json", "sql")
FENCE = re.compile(r"^\s*```(\S*)\s*$")
MARK = re.compile(r"^<!-- (file|not run): (.+) -->$")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    file: str = ""
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not self.not_run


def blocks(page: Path) -> list[Block]:
    """Every block of a page, in order."""
    lines, found, opened = page.read_text(encoding="utf-8").split("\n"), [], None
    for number, line in enumerate(lines, start=1):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = (number, fence[1])
            continue
        start, language = opened
        text = textwrap.dedent("\n".join(lines[start : number - 1])) + "\n"
        mark = MARK.match(lines[start - 2].strip())
        marks = {mark[1].replace(" ", "_"): mark[2]} if mark else {}
        found.append(Block(page, start, language, text, **marks))
        opened = None
    assert opened is None, f"{page}: a block does not end"
    return found


def script(page: Path) -> str:
    """A shell script that does what a page says."""
    parts = ["set -eu"]
    for block in blocks(page):
        if block.file:
            parts.append(f"cat > {block.file} <<'END OF FILE'\n{block.text}END OF FILE")
        elif block.is_run:
            parts += [f"echo '@@ {block}'", command(block)]
    return "\n".join(parts) + "\n"


def command(block: Block) -> str:
    """A block as the shell takes it."""
    if block.language == "python":
        return f"python3 - <<'END OF PYTHON'\n{block.text}END OF PYTHON"
    if block.language == "console":
        return "\n".join(commands(block))
    return block.text


def commands(block: Block) -> list[str]:
    """What is typed in a console block."""
    return [line[2:] for line in block.text.split("\n") if line.startswith("$ ")]


def printed(block: Block) -> list[str]:
    """What a console block shows as printed; a line `…` stands for any lines."""
    return [line for line in block.text.rstrip().split("\n") if not line.startswith("$ ")]


def read(block: Block) -> object:
    """A YAML block, read."""
    return yaml.safe_load(block.text)
