"""The command `vppd-hil`.

Results go to stdout, progress and messages to stderr. Exit codes: 0 good, 1 a limit of the scenario
is not met, 2 bad usage or a bad scenario, 3 could not run (a port in use, a program or a file
missing, OUT not to be used), 130 interrupted (Ctrl-C), 143 ended (SIGTERM).
"""

from hil.cli import many, plant, run  # noqa: F401 - they add their commands
from hil.cli.common import main

__all__ = ["main"]
