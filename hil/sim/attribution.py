"""Whether the losses of a run, given to units and causes, sum up: as `vppd attribute` has it."""

from pathlib import Path

from vppd.journal.errors import JournalError
from vppd.journal.instant import InstantError
from vppd.runtime.attribute import attributed


def unsound(journal: Path) -> str:
    """Say by how much the parts miss the whole; empty where they sum to it.

    A journal without a stretch of ticks (the daemon was killed at once) has no loss to share.
    """
    try:
        blame = attributed(journal, None, None).blame
    except InstantError:
        return ""
    except JournalError as error:
        return f"vppd attribute: {error}"
    if blame.holds:
        return ""
    return (
        f"of {blame.loss_mws:.6f} MW.s lost the parts miss {blame.missed_mws:.3e},"
        f" those of a tick {blame.rounding_mw:.3e} MW at most"
    )
