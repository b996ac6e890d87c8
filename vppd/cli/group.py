"""The command `vppd` itself: its exit codes, and output that nobody takes."""

import sys
from typing import Any

import click

from vppd import __version__
from vppd.cli.common import EXIT_COULD_NOT, EXIT_FALSE, drop_output, fail, why


class Commands(click.Group):
    """The commands; output that cannot be written ends each of them alike."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run one command, and end the process with its exit code."""
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except BrokenPipeError:
            drop_output()  # the reader has seen enough
            sys.exit(EXIT_FALSE)
        except OSError as error:
            drop_output()
            fail(why(error), EXIT_COULD_NOT)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vppd")
def main() -> None:
    """Run a virtual power plant: AGC in, setpoints for every unit out, every second.

    Exit codes: 0 good, 1 the thing checked does not hold, 2 bad usage or bad configuration,
    3 could not run, or failed.
    """
