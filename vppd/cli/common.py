"""What the commands share: exit codes, options, how they load and how they fail."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from vppd.runtime.site import Site

EXIT_FALSE = 1  # the thing checked does not hold
EXIT_BAD = 2  # bad usage or bad configuration
EXIT_COULD_NOT = 3  # could not run, or not go on: a port in use, a file missing, a bug

PATH = click.Path(path_type=Path)
SINCE = click.option(
    "--since", metavar="TIME", help="Leave out what is before: as --at of `explain`."
)
UNTIL = click.option("--until", metavar="TIME", help="Leave out this instant and all after it.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@contextlib.contextmanager
def journal_errors(
    hint: str = " (--skip-damaged reads on at the next segment)",
) -> Iterator[None]:
    """End with 1 where a journal was read and does not hold, with 3 where it could not be read."""
    from vppd.journal.errors import DamageError, JournalError, NoTickError

    try:
        yield
    except DamageError as error:
        fail(f"damaged: {error}{hint}", EXIT_FALSE)
    except NoTickError as error:
        fail(str(error), EXIT_FALSE)
    except JournalError as error:
        fail(str(error), EXIT_COULD_NOT)


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere. Gives `progress(done, total)`, bytes."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=1, label=what, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = max(1, total)
            bar.update(done - bar.pos)

        yield progress


def load(path: Path) -> "Site":
    """Load and check a configuration, or end with its problems, exit code 2 (3: no such file)."""
    from vppd.config.errors import ConfigError
    from vppd.runtime import kernel_library

    kernel_library.use()  # before what follows imports kernels
    from vppd.runtime.site import load_site

    try:
        return load_site(path)
    except ConfigError as error:
        click.echo(str(error), err=True)
        count = len(error.problems)
        fail(f"{count} problem{'s' if count != 1 else ''}", EXIT_BAD)
    except OSError as error:
        fail(f"{path}: {(error.strerror or str(error)).lower()}", EXIT_COULD_NOT)


def why(error: OSError) -> str:
    """Say in plain words what the system refused."""
    words = error.strerror or str(error)
    if error.filename:
        return f"{error.filename}: {words.lower()}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the output cannot be written: {words.lower()}"
    return words


def drop_output() -> None:
    """Have what is still buffered go nowhere, or Python would complain of it at exit."""
    with contextlib.suppress(OSError, ValueError):  # no descriptor: a test's own stream
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def fail(message: str, code: int) -> NoReturn:
    """End the process with a message and an exit code."""
    click.echo(f"vppd: {message}", err=True)
    sys.exit(code)
