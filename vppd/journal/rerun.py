"""Run the ticks of a journal again: the way to the columns of a decision that it does not hold."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vppd.core.types import Decision, State
from vppd.journal.compare import Compare, Difference
from vppd.journal.errors import JournalError
from vppd.journal.header import Header
from vppd.journal.kept import COLUMNS
from vppd.journal.pieces import Tick
from vppd.journal.reader import Record, SegmentStart, StateRecord, TickRecord


@dataclass(frozen=True, slots=True)
class WholeTick:
    """A tick with all that the core makes of it."""

    segment: str
    header: Header
    record: TickRecord
    before: State  # that it started from
    after: State
    computed: Decision
    difference: Difference | None  # between what was recorded and what the core gives now

    @property
    def decision(self) -> Decision:
        """The decision: what is kept as it was recorded, the other columns as computed.

        Where `difference` is not None, those may be others than they were.
        """
        if self.difference is None:
            return self.computed
        kept = {name: getattr(self.record.decision, name) for name in COLUMNS}
        return dataclasses.replace(self.computed, **kept)


def rerun(records: Iterable[Record], tick: Tick) -> Iterator[Record | WholeTick]:
    """Give the records of `read`, each tick run again.

    A state that was recorded is what the next tick starts from.

    Raises
    ------
    JournalError
        A tick has no state to start from, or cannot be run; or as `read`.
    """
    begin: SegmentStart | None = None
    state: State | None = None
    for record in records:
        if isinstance(record, SegmentStart):
            begin, state = record, None
            compare = Compare(record.path.name, record.header)
        elif isinstance(record, StateRecord):
            state = record.state
        elif isinstance(record, TickRecord) and begin is not None:
            if state is None:
                raise JournalError(f"tick {record.image.tick} has no state to start from")
            before = state
            try:
                state, computed = tick(before, record.image, begin.header.params)
            except (TypeError, ValueError) as error:  # what is no data: no daemon wrote this
                where = f"{begin.path.name}: tick {record.image.tick}"
                raise JournalError(f"{where}: the core does not take it: {error}") from error
            difference = compare.decision(record.image.tick, record.decision, computed)
            yield WholeTick(
                begin.path.name, begin.header, record, before, state, computed, difference
            )
            continue
        yield record
