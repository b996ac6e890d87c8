"""What a replay found, for people."""

from vppd.journal.replay import ReplayReport
from vppd.journal.verify import Fault
from vppd.ops.counted import counted

NO_TICK = "no whole tick in this journal"


def render(report: ReplayReport, fault: Fault | None) -> str:
    """Give the figures, the verdict, and where the journal could not be read or does not hold."""
    lines = [
        f"{counted(report.ticks, 'tick')} in {counted(report.segments, 'segment')},"
        f" {report.bytes} bytes, {report.missed_ticks} missed, {counted(report.runs, 'start')}",
        verdict(report),
    ]
    lines += [f"not read: {place}" for place in report.unreadable]
    if fault is not None and str(fault) not in report.unreadable:
        lines.append(f"DOES NOT HOLD: {fault}")
    return "\n".join(lines)


def verdict(report: ReplayReport) -> str:
    """Give the verdict in one line."""
    unread = f"{counted(report.unread_ticks, 'tick')} could not be read"
    if report.ticks == 0:
        return f"{NO_TICK}: {unread}" if report.unread_ticks else NO_TICK
    if report.first_difference is not None:
        same = f"NOT the same: {report.first_difference}"
    else:
        same = "bit for bit the same"
    return f"{same}, but {unread}" if report.unread_ticks else same
