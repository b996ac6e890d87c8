"""Run the ticks of a journal again, each from the state that it started from.

The one way through a journal for all who ask the core again: replay, attribution, the page of a
day, and who wants the columns of a decision that it does not hold.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.compare import Compare, Difference
from vppd.journal.errors import JournalError
from vppd.journal.header import Header
from vppd.journal.kept import COLUMNS
from vppd.journal.reader import Record, SegmentStart, StateRecord, TickRecord

Tick = Callable[[State, Image, Params], tuple[State, Decision]]


@dataclass(frozen=True, slots=True)
class WholeTick:
    """A tick with all that the core makes of it."""

    segment: str
    header: Header
    record: TickRecord
    recorded: StateRecord | None  # the state that stands before it, where one does
    carried: State | None  # what the tick before it in this segment handed on
    before: State  # that it started from: the recorded one, else the carried one
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
    """Give the records of `read` or `read_segment`, each tick run again.

    A state that was recorded is what the next tick starts from.

    Raises
    ------
    JournalError
        A tick has no state to start from, or cannot be run; or as `read`.
    """
    segment: _Segment | None = None
    for record in records:
        if isinstance(record, TickRecord) and segment is not None:
            yield segment.run(record, tick)
            continue
        if isinstance(record, SegmentStart):
            segment = _Segment(record)
        elif isinstance(record, StateRecord) and segment is not None:
            segment.recorded = record
        yield record


class _Segment:
    """A segment on its way: the state goes from tick to tick."""

    def __init__(self, begin: SegmentStart) -> None:
        self.recorded: StateRecord | None = None
        self._name, self._header = begin.path.name, begin.header
        self._compare = Compare(self._name, begin.header)
        self._carried: State | None = None

    def run(self, record: TickRecord, tick: Tick) -> WholeTick:
        """Run one tick again."""
        recorded, carried = self.recorded, self._carried
        before = carried if recorded is None else recorded.state
        number = record.image.tick
        if before is None:
            raise JournalError(f"tick {number} has no state to start from")
        try:
            after, computed = tick(before, record.image, self._header.params)
        except (TypeError, ValueError) as error:  # what is no data: no daemon wrote this
            where = f"{self._name}: tick {number}"
            raise JournalError(f"{where}: the core does not take it: {error}") from error
        self.recorded, self._carried = None, after
        difference = self._compare.decision(number, record.decision, computed)
        return WholeTick(
            self._name, self._header, record, recorded, carried, before, after, computed, difference
        )
