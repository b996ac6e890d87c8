"""What `vppd verify` found, for people."""

from collections.abc import Iterator

from vppd.journal.chain_check import Signed
from vppd.journal.instant import utc_text
from vppd.journal.verify import VerifyReport
from vppd.ops.counted import counted


def render(report: VerifyReport) -> str:
    """Give the figures, the verdict, what is signed, and what is not here."""
    return "\n".join(_lines(report))


def _lines(report: VerifyReport) -> Iterator[str]:
    yield (
        f"{counted(report.records, 'record')}, {counted(report.ticks, 'tick')},"
        f" {counted(report.segments, 'segment')}, {report.bytes} bytes"
    )
    yield f"DOES NOT HOLD: {report.fault}" if report.fault else "every record holds"
    for torn in report.torn:
        yield f"torn by a crash: {torn}"
    yield from _signed_lines(report)
    yield from _missing_lines(report)
    yield f"head {report.head}"


def _signed_lines(report: VerifyReport) -> Iterator[str]:
    if report.signed is None:
        yield "NOT SIGNED: who can write the files can have written all of it anew"
        return
    yield (
        f"signed up to {_place(report.signed)}; {counted(report.unsigned, 'record')} after it"
        " not signed"
    )
    if report.events_signed is not None:
        yield f"events: {report.events}, signed up to {_place(report.events_signed)}"
    if not report.key_given:
        yield (
            f"by a key that the journal itself names ({', '.join(report.key_ids)}): give the one"
            " that you were told as --key"
        )


def _missing_lines(report: VerifyReport) -> Iterator[str]:
    if not report.closed:
        yield "not closed: its writer runs or was killed, or what came after was cut off"
    if not report.has_events:
        yield "its events are not here: what was cut off at its end would show by them"
    if not report.whole:
        why = ": removed by age or size, as its events say" if report.removed else ""
        yield f"its first segments are not here{why}"
    if report.heads:
        yield f"{counted(report.heads, 'expected head')} found"


def _place(signed: Signed) -> str:
    at = "at an unknown time" if signed.utc_s is None else utc_text(signed.utc_s)
    return f"record {signed.seq} of {signed.segment}, {at}, by key {signed.key_id}"
