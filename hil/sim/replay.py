"""A journal replayed in this process, as `vppd replay` does it in one of its own."""

from pathlib import Path

from hil.measure.journal import JournalError, Replay
from vppd.core.tick import tick
from vppd.journal import errors
from vppd.journal.replay import replay as replay_journal
from vppd.journal.verify import Verification


def replay(journal: Path) -> Replay:
    """Replay a journal; the same figures as `hil.measure.journal.replay`.

    Raises JournalError if it cannot be said how that went.
    """
    try:
        proof = Verification(journal)
        told = replay_journal(journal, tick, proof=proof)
        fault = proof.report().fault
    except errors.JournalError as error:
        raise JournalError(f"vppd replay: {error}") from error
    return Replay(
        ticks=told.ticks,
        bytes=told.bytes,
        missed_ticks=told.missed_ticks,
        bit_exact=told.bit_exact,
        chain_ok=fault is None,
    )
