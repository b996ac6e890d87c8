"""The command `vppd`. Modules that only one command needs are imported by it."""

from vppd.cli import journal, market, plant  # noqa: F401 - they add their commands
from vppd.cli.group import main

__all__ = ["main"]
