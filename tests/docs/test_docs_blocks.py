"""What the pages show is run: every command and every piece of code, or there is a reason."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from blocks import PAGES, ROOT, RUN, SHOWN, Block, blocks, printed, read, script
from processes import free_ports

BIN = Path(sys.executable).parent
ALL = [block for page in PAGES for block in blocks(page)]
TUTORIAL_PORTS = "2840", "2841"  # first digits of the ports that the tutorial shows


def run_page(page: Path, folder: Path, port_base: int = 0) -> str:
    """Do what a page says, in an empty folder; what was printed. Fails with the block at fault."""
    text = script(page)
    if port_base:
        for shown, offset in zip(TUTORIAL_PORTS, (0, 1), strict=True):
            text = re.sub(rf"\b{shown}(\d)\b", rf"{port_base // 10 + offset}\1", text)
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", text], cwd=folder, env=os.environ | {"PATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        told, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the group of this shell: what it left behind
    logs = "".join(f"\n-- {log.name}\n{log.read_text()}" for log in sorted(folder.rglob("*.log")))
    assert process.returncode == 0, f"exit {process.returncode}\n{told}{logs}"
    return told


PATIENCE_S = 570.0  # the first start compiles, and the machine may be busy
TUTORIAL = ROOT / "docs" / "tutorial.md"
RUNNABLE = [
    page for page in PAGES if page != TUTORIAL and any(block.is_run for block in blocks(page))
]


def told_by(told: str, block: Block) -> list[str]:
    """Lines that a block printed."""
    after = told.partition(f"@@ {block}\n")[2]
    return after.partition("@@ ")[0].rstrip().split("\n")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_a_page_does_what_it_says(page, tmp_path):
    told = run_page(page, tmp_path)
    for block in blocks(page):
        if block.language == "console" and block.is_run:
            wanted = "\n".join(re.escape(line.rstrip()) for line in printed(block))
            found = "\n".join(line.rstrip() for line in told_by(told, block))
            assert re.fullmatch(wanted.replace("…", ".*"), found, re.DOTALL), f"{block}:\n{found}"


@pytest.mark.timeout(600)
def test_the_tutorial_leads_from_an_empty_folder_to_a_plant_that_regulates(tmp_path):
    told = run_page(TUTORIAL, tmp_path, free_ports(20))
    assert "4 devices listen" in told
    assert "REGULATING" in told
    assert "vppd_request_watts" in told
    assert "agc_lost" in told
    assert "every record holds" in told
    (explain,) = [block for block in blocks(TUTORIAL) if "vppd explain" in block.text]
    assert any("battery-1" in line for line in told_by(told, explain))


@pytest.mark.parametrize("block", ALL, ids=str)
def test_each_block_is_run_or_has_a_reason(block):
    if block.language == "yaml":
        assert read(block) is not None
    elif block.not_run:
        assert len(block.not_run.split()) > 3, "a reason has more words"
    else:
        assert block.language in (*RUN, *SHOWN), f"{block}: which language?"


def test_the_readme_shows_the_smallest_example_as_it_is():
    (shown,) = [block for block in blocks(ROOT / "README.md") if block.language == "yaml"]
    file = (ROOT / "configs" / "minimal.yaml").read_text()
    lines = [line for line in file.split("\n") if not line.startswith("#")]
    assert read(shown) == yaml.safe_load("\n".join(lines))


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
