"""Every alarm there is. `docs/alarms.md` is written from this file.

An alarm is something that an operator has to do something about; what nobody can or need act on
is an event in the log. `action` says what to do first, `runbook` how to find the cause.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from vppd.core.types import EventCode, Mode, Reason, Verdict
from vppd.ops.alarms.state import Delays

NAN = math.nan
SHIFT_S: Final = 8 * 3600.0
AT_ONCE: Final = Delays()


class Priority(IntEnum):
    """How soon it wants an answer; the lower the number, the sooner."""

    CRITICAL = 1  # within a minute
    HIGH = 2  # within some minutes
    MEDIUM = 3  # within the hour
    LOW = 4  # within the shift, or the next working day


class Scope(IntEnum):
    """What there is one alarm of."""

    PLANT = 0
    UNIT = 1
    LINK = 2
    TASK = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the catalogue."""

    name: str
    priority: Priority
    group: str  # of these the first is marked: it is nearest to the cause
    title: str
    action: str
    runbook: str
    scope: Scope = Scope.PLANT
    delays: Delays = AT_ONCE
    limit: float = NAN  # NaN: the condition is not a value
    dead_band: float = 0.0
    unit: str = ""  # of the value
    shelve_max_s: float = SHIFT_S  # 0: nobody may shelve it


CATALOGUE: Final = (
    Kind(
        "plant_safe", Priority.CRITICAL, "plant",
        "The plant is in mode SAFE: every unit goes to its safe value",
        "Find out who ordered SAFE; give the plant back to AUTO when its cause is gone.",
        "`vppd status` shows the order; the journal has who gave it. A stop of the daemon is none.",
        shelve_max_s=0.0,
    ),
    Kind(
        "allocation_refused", Priority.CRITICAL, "core",
        "The request could not be split: setpoints stand as they were",
        "Tell the TSO that the plant does not follow, and order LOCAL if it lasts.",
        "A bug. Keep the journal; `vppd explain JOURNAL --at TIME` names the status of the kernel.",
        delays=Delays(0.0, 60.0), shelve_max_s=0.0,
    ),
    Kind(
        "agc_lost", Priority.HIGH, "signal",
        "No good AGC value: the last one is held, then the plant goes back to its basepoints",
        "Call the TSO; look at the line to it.",
        "`signal_bad` in the log has the verdict, `master_lost` why the connection ended; compare"
        " `signal` in `vppd status` with what the TSO says it sends.",
        delays=Delays(0.0, 5.0),
    ),
    Kind(
        "agc_refused", Priority.MEDIUM, "signal",
        "An AGC value was refused by the guards",
        "Ask the TSO what it sent; look whether somebody else commands the plant.",
        "The verdict is beside it: RATE, OUT_OF_RANGE and REPEATED are a wrong sender or wrong"
        " `guards`, OLD a wrong clock, BAD_QUALITY and NOT_FINITE the TSO's own trouble.",
        delays=Delays(0.0, 10.0),
    ),
    Kind(
        "frequency_lost", Priority.HIGH, "signal",
        "No good frequency: the droop gives nothing",
        "Tell the TSO that the plant gives no droop; look at the meter or the line.",
        "`freq_stale_after_s` is how old a value may be; `vppd export` shows what came in.",
        delays=Delays(2.0, 5.0),
    ),
    Kind(
        "request_unserved", Priority.HIGH, "plant",
        "The units cannot give what is asked of the plant",
        "Bring back units that are out, or sell less: the shortfall costs score.",
        "`vppd explain JOURNAL --at TIME` names the limits that held the units. The value is the"
        " part of the regulation sold that is missing.",
        delays=Delays(10.0, 10.0), limit=0.02, dead_band=0.01, unit="pu",
    ),
    Kind(
        "award_above_headroom", Priority.HIGH, "plant",
        "More regulation was sold than can be promised for the next 15 minutes",
        "Move basepoints or stores, bring back units, or tell the market before it finds out.",
        "`promise` in `vppd status`; docs/headroom.md says what counts.",
        delays=Delays(30.0, 30.0),
    ),
    Kind(
        "fleet_out", Priority.HIGH, "units",
        "A large part of the fleet is out of the split",
        "Look for what the units have in common: a switch, a broker, a carrier, a maker's cloud.",
        "`benched` in `vppd status` has each with its reason. The value is the part of the fleet's"
        " range that is out; units that the operator holds are not counted.",
        delays=Delays(5.0, 30.0), limit=0.2, dead_band=0.05, unit="pu",
    ),
    Kind(
        "link_lost", Priority.MEDIUM, "units",
        "Every unit behind a gateway or broker is out of reach",
        "Look at the gateway, its power and its line.",
        "Its units have no alarms of their own meanwhile. `device_lost` in the log has the words of"
        " the link.",
        scope=Scope.LINK, delays=Delays(10.0, 10.0),
    ),
    Kind(
        "unit_lost", Priority.LOW, "units",
        "A unit is out of reach, or accepts no setpoints",
        "Have its link or its site looked at; the others carry its share.",
        "The reason is beside it: UNREACHABLE is the link, TELEMETRY_AGE its readings, FALLBACK"
        " that its watchdog has run out. `benched` in `vppd status` has the driver's own words.",
        scope=Scope.UNIT, delays=Delays(60.0, 0.0),
    ),
    Kind(
        "unit_local", Priority.LOW, "units",
        "A unit reports that its own staff controls it",
        "Ask the site how long; hold the unit if it is for longer.",
        "`fleet[].hold_mw` takes it out of the split for good.",
        scope=Scope.UNIT, delays=Delays(10.0, 0.0),
    ),
    Kind(
        "unit_refusing", Priority.LOW, "units",
        "A unit refuses its setpoints",
        "Compare its limits with the configuration.",
        "The driver's words are in `benched` of `vppd status`; a refusal after maintenance is"
        " mostly a limit that was changed at the device.",
        scope=Scope.UNIT, delays=Delays(30.0, 0.0),
    ),
    Kind(
        "unit_benched", Priority.LOW, "units",
        "A unit does not do what its model says: it is out of the split",
        "Test it: `vppd commission CONFIG --der ID`, when the plant does not regulate.",
        "Wrong sign or scale after a change of firmware, a derating that is not reported, or a"
        " dead time that has grown. It comes back by itself when it behaves.",
        scope=Scope.UNIT,
    ),
    Kind(
        "guard_dropped", Priority.HIGH, "core",
        "The second guard refused a setpoint: the unit keeps its last one",
        "Hold the unit that is named; report it.",
        "A bug, or limits that contradict each other. Keep the journal; `guard_dropped` in the log"
        " has the setpoint.",
        delays=Delays(0.0, 60.0),
    ),
    Kind(
        "tick_late", Priority.MEDIUM, "time",
        "Ticks begin later than they should",
        "Find what else runs on the machine.",
        "`tick` and `kernel` in `vppd status`; docs/install.md says what gives the daemon its"
        " priority. The value is the lateness in ticks.",
        delays=Delays(5.0, 30.0), limit=0.2, dead_band=0.1, unit="ticks",
    ),
    Kind(
        "ticks_missed", Priority.MEDIUM, "time",
        "Ticks were left out",
        "Find what held the machine: a pause of the virtual machine, swapping, a full disk.",
        "`missed` in `vppd status` counts them; the journal shows the gap.",
        delays=Delays(0.0, 60.0),
    ),
    Kind(
        "clock_stepped", Priority.MEDIUM, "time",
        "The machine's clock was set by more than half a second",
        "Look at the time service: AGC time tags and market intervals are by this clock.",
        "`chronyc tracking`, `timedatectl`. The value is the step.",
        delays=Delays(0.0, 600.0), unit="s",
    ),
    Kind(
        "realtime_denied", Priority.LOW, "time",
        "The kernel did not grant what was asked for: priority, or memory that is never swapped",
        "Start the daemon by its unit file, or set `realtime_priority: 0`.",
        "`kernel` in `vppd status` says which and why; docs/install.md has the remedies.",
    ),
    Kind(
        "journal_failed", Priority.HIGH, "journal",
        "Ticks are not being recorded",
        "Make room on the disk, or replace it: what is not recorded cannot be settled.",
        "`journal` in `vppd status` has the error; `vppd verify JOURNAL` says what is whole.",
        delays=Delays(0.0, 10.0),
    ),
    Kind(
        "journal_late", Priority.MEDIUM, "journal",
        "The disk is slow: ticks wait to be recorded for longer than `journal.unsynced_max_s`",
        "Find what else writes to the disk.",
        "`journal.queue_ticks` may wait before ticks are lost. The value is the age of the oldest.",
        delays=Delays(5.0, 10.0), unit="s",
    ),
    Kind(
        "journal_unsigned", Priority.MEDIUM, "journal",
        "The journal is not signed: its key cannot be used",
        "Put the key where `journal.key_credential` or `key_file` says, for the daemon alone.",
        "`journal_unsigned` in the log has the reason. What is written meanwhile proves nothing.",
    ),
    Kind(
        "disk_low", Priority.MEDIUM, "journal",
        "The disk of the journal is nearly full",
        "Make the disk larger, or set `journal.keep_days` or `journal.keep_gb`.",
        "Segments that are moved away by hand are missed by `vppd verify` (docs/journal.md). The"
        " value is the part in use.",
        delays=Delays(0.0, 0.0), limit=0.9, dead_band=0.02, unit="pu",
    ),
    Kind(
        "task_failed", Priority.MEDIUM, "core",
        "A driver or link failed by a bug, and was started again",
        "Report it with the traceback in the log.",
        "`task_failed` in the log has the traceback; five in a row and it stays down.",
        scope=Scope.TASK, delays=Delays(0.0, 600.0),
    ),
    Kind(
        "task_given_up", Priority.HIGH, "core",
        "A driver or link failed again and again, and stays down",
        "Restart the daemon when the plant can spare it; report it.",
        "`task_failed` in the log has the tracebacks. Until a restart its units are out.",
        scope=Scope.TASK,
    ),
    Kind(
        "order_lost", Priority.MEDIUM, "operator",
        "An operator's order did not survive a restart of the daemon",
        "Look at what is in force, and give the order again where it is still meant.",
        "`order_lost` in the log and the journal says which and why: its unit has left the fleet,"
        " or `orders.json` of the state folder cannot be read.",
        delays=Delays(0.0, 3600.0),
    ),
    Kind(
        "peer_refused", Priority.MEDIUM, "security",
        "Somebody who may not tried to command the plant",
        "Find out who: a master that was not entered, or an intruder.",
        "`peer_refused` in the log has the address; docs/security.md says who may connect.",
        delays=Delays(0.0, 600.0),
    ),
    Kind(
        "log_dropped", Priority.LOW, "journal",
        "Lines of the log were dropped: its reader is too slow",
        "Look at journald, or at whatever reads standard error.",
        "`log_lines_dropped` in the log and in `vppd status` count them.",
        delays=Delays(0.0, 60.0),
    ),
    Kind(
        "alarm_flood", Priority.MEDIUM, "alarms",
        "More alarms come than anybody can read: the lesser ones are held back",
        "Begin with the one that came first of its group, and with the highest priority.",
        "`vppd status --json` lists those held back, state `suppressed`. They are shown bit by bit"
        " when it is quieter. The value is their number.",
        unit="alarms", shelve_max_s=0.0,
    ),
)  # fmt: skip
KINDS: Final = {kind.name: kind for kind in CATALOGUE}

FLOOD = KINDS["alarm_flood"]

# -- what each event of the daemon is to an operator -----------------------------------------
# A test holds these tables complete: an event that is in none of them fails it.

BY_EVENT: Final[dict[EventCode, tuple[str, ...]]] = {
    EventCode.MODE: ("plant_safe", "agc_lost"),
    EventCode.UNIT_LOST: ("unit_lost", "unit_local", "unit_refusing", "unit_benched", "fleet_out"),
    EventCode.UNIT_BACK: ("unit_lost", "unit_local", "unit_refusing", "unit_benched", "fleet_out"),
    EventCode.UNIT_FALLBACK: ("unit_lost",),
    EventCode.SIGNAL_VERDICT: ("agc_refused",),
    EventCode.UNSERVED: ("request_unserved",),
    EventCode.GUARD_DROPPED: ("guard_dropped",),
    EventCode.ALLOCATION_REFUSED: ("allocation_refused",),
    EventCode.AWARD_ABOVE_HEADROOM: ("award_above_headroom",),
}
BY_REASON: Final = {
    Reason.UNREACHABLE: "unit_lost",
    Reason.TELEMETRY_AGE: "unit_lost",
    Reason.FALLBACK: "unit_lost",
    Reason.LOCAL_CONTROL: "unit_local",
    Reason.REFUSED: "unit_refusing",
    Reason.BENCHED: "unit_benched",
}
UNIT_ALARMS: Final = tuple(dict.fromkeys(BY_REASON.values()))
BY_MODE: Final = {Mode.HOLD: "agc_lost", Mode.RETURN: "agc_lost", Mode.SAFE: "plant_safe"}
REFUSALS: Final = (
    Verdict.BAD_QUALITY, Verdict.NOT_FINITE, Verdict.OUT_OF_RANGE, Verdict.RATE, Verdict.REPEATED,
    Verdict.OLD,
)  # fmt: skip
# Lines of the log at warning and above, and the alarm of each; or why it has none of its own.
BY_LOG: Final = {
    "mode_changed": "agc_lost",
    "unit_lost": "unit_lost",
    "unit_fallback": "unit_lost",
    "signal_bad": "agc_lost",
    "unserved_began": "request_unserved",
    "award_above_headroom": "award_above_headroom",
    "guard_dropped": "guard_dropped",
    "allocation_refused": "allocation_refused",
    "journal_failed": "journal_failed",
    "journal_unsigned": "journal_unsigned",
    "log_lines_dropped": "log_dropped",
    "task_failed": "task_failed",
    "task_ended": "task_failed",
    "task_given_up": "task_given_up",
    "device_lost": "unit_lost",
    "peer_refused": "peer_refused",
    "order_lost": "order_lost",
}
NO_ALARM: Final = {
    "journal_back": "good news",
    "journal_heads_back": "good news",
    "journal_not_rolled": "tables for reading are not written; segments stay until they are",
    "journal_heads_failed": "a second copy of the heads is not written; the log has them, too",
    "journal_recovered": "says how the last run ended; there is nothing to do",
    "kernels_not_kept": "the next start takes 0.6 s longer; nothing else differs",
    "failed": "the process has ended: its service manager raises the alarm",
    "device_mode_lost": "it is asserted again at once; a unit that keeps losing it is unit_benched",
    "message_malformed": "one message; if none is good, agc_lost or unit_lost follows",
    "subscription_denied": "nothing comes then: agc_lost or unit_lost follows",
    "library_message": "not of the daemon",
    "agc_refused": "the TSO has its answer; if no good value comes, agc_lost follows",
    "frequency_refused": "the sender has its answer; if no good one comes, frequency_lost follows",
    "resuming": "says that the last daemon was killed; its service manager counts restarts",
    "reload_refused": "who asked has the reasons, and status says so; the old file stays in force",
    "alarm": "the alarms' own line",
    "api_misbehaves": "its process is started anew; orders that were given stand",
    "api_ended": "its process is started anew within a second; the plant runs without it",
    "orders_not_written": "who gave the order is told that it is not in force",
}
