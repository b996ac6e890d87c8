"""The folder of a run: taken for one run at a time, and emptied only if the bench made it."""

import fcntl
import os
import shutil
from pathlib import Path

from hil.plumbing import CouldNotRunError

MARKER = ".vppd-hil"  # the bench made this folder; locked while a run goes on in it
DAEMON_LOCK = "lock"  # the daemon holds it (flock) while it runs on this folder
MADE_BY_A_RUN = (
    "raw",
    "journal",
    "result.json",
    "trace.csv",
    "devices.csv.gz",
    "report.html",
    "daemon.log",
    "oracle.json",
    "campaign.json",
    "campaign.html",
    "seeds",
    "failures",
    "workers",
    "tracking.json",
    "tracking.html",
    "done",
)


def take(out_dir: Path, sub: str = "raw", *, keep: bool = False) -> int:
    """Make OUT, or empty one of an earlier run, with an empty folder `sub`.

    `keep`: what is in `sub` stays, for who goes on from there.

    Returns the open marker, which keeps other runs out until it is closed. Raises
    CouldNotRunError, before anything is deleted: no folder of the bench, a daemon or another run
    in it, no permission.
    """
    marker = claim(out_dir)
    try:
        for name in MADE_BY_A_RUN:
            if not (keep and name == sub):
                _remove(out_dir / name)
        (out_dir / sub).mkdir(exist_ok=keep)
    except OSError as error:
        os.close(marker)
        raise CouldNotRunError(f"{error.filename or out_dir}: {error.strerror}") from error
    return marker


def claim(out_dir: Path) -> int:
    """Make OUT, or take one that the bench made, and leave in it what is there; else as `take`."""
    marker = -1
    try:
        _make(out_dir)
        _refuse_daemon(out_dir)
        marker = _take_marker(out_dir)
        _refuse_protected(out_dir)
    except (OSError, CouldNotRunError) as error:
        if marker >= 0:
            os.close(marker)
        if isinstance(error, CouldNotRunError):
            raise
        raise CouldNotRunError(f"{error.filename or out_dir}: {error.strerror}") from error
    return marker


def _make(out_dir: Path) -> None:
    """Make the folder; refuse what somebody else filled."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise CouldNotRunError(f"{out_dir}: is not a folder; name another --out") from error
    except OSError as error:
        message = f"{out_dir}: cannot be made ({error.strerror}); name another --out"
        raise CouldNotRunError(message) from error
    if any(out_dir.iterdir()) and not (out_dir / MARKER).is_file():
        raise CouldNotRunError(
            f"{out_dir}: is not empty, and vppd-hil did not make it (no {MARKER} in it);"
            " name another --out, or empty it"
        )


def _refuse_daemon(out_dir: Path) -> None:
    """Refuse a folder that a daemon runs on."""
    path = out_dir / DAEMON_LOCK
    if not path.exists():
        return
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.read(lock, 32).decode("utf-8", "replace").strip() or "not yet written"
        raise CouldNotRunError(
            f"{out_dir}: a vppd (pid {pid}) runs on this folder; stop it, or name another --out"
        ) from error
    finally:
        os.close(lock)


def _take_marker(out_dir: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    marker = os.open(out_dir / MARKER, flags, 0o644)
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(marker)
        raise CouldNotRunError(
            f"{out_dir}: another vppd-hil runs in this folder; name another --out"
        ) from error
    return marker


def _refuse_protected(out_dir: Path) -> None:
    """Refuse a folder that could be emptied only in part."""
    folders = [out_dir]
    for name in MADE_BY_A_RUN:
        folders += [Path(root) for root, _, _ in os.walk(out_dir / name)]
    for folder in folders:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise CouldNotRunError(f"{folder}: no permission to write; name another --out")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
