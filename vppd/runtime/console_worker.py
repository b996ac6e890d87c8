"""The api process, started by the daemon: `-m vppd.runtime.console_worker PIPE SOCKET HISTORY`."""

import asyncio
import contextlib
import ctypes
import dataclasses
import json
import math
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop

if TYPE_CHECKING:
    from vppd.ops.api.hello import Hello, Inputs

PR_SET_PDEATHSIG: Final = 1  # prctl(2)
PAST_EVENTS: Final = 2000
PAST_BYTES: Final = 256 << 20  # of the newest segments; more takes too long to read


def main(argv: list[str]) -> int:
    """Serve until the daemon ends. The parent says why it does not start."""
    die_with_parent()
    be_ordinary()  # before anything is imported that takes long
    from vppd.runtime import kernel_library  # noqa: PLC0415

    kernel_library.use()  # before what follows imports kernels: 0.6 s
    from vppd.ops.api.daemon_link import DaemonGoneError  # noqa: PLC0415
    from vppd.ops.api.hello import Unpack  # noqa: PLC0415
    from vppd.ops.api.past import Past  # noqa: PLC0415
    from vppd.ops.api.serve import serve  # noqa: PLC0415
    from vppd.ops.api.users import UsersError  # noqa: PLC0415
    from vppd.runtime.console_pack import unpack_hello, unpack_inputs  # noqa: PLC0415

    *sockets, history = map(int, argv)
    pipe, listening = (socket.socket(fileno=number) for number in sockets)
    pipe.setblocking(False)
    listening.setblocking(False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            unpack = Unpack(unpack_hello, unpack_inputs)
            runner.run(serve(pipe, listening, Past(history), unpack, explain_unit, past_events))
        except DaemonGoneError:
            return 0
        except (UsersError, OSError) as error:
            sys.stderr.write(f"vppd api: {error}\n")
            return 3
    return 0


def be_ordinary() -> None:
    """Leave the daemon's real-time priority, if it was handed on: no viewer outranks a tick."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def die_with_parent() -> None:
    """Be killed when the daemon dies, however busy: it holds the socket that the next one binds."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def explain_unit(hello: "Hello", inputs: "Inputs", unit: str) -> dict[str, Any]:
    """Why a unit got its setpoint in the last tick: data and text."""
    # The core is compiled code, which takes a moment to load: not before somebody asks.
    from vppd.core.explain import explain  # noqa: PLC0415
    from vppd.core.tick import tick  # noqa: PLC0415
    from vppd.journal.compare import Compare  # noqa: PLC0415
    from vppd.journal.explain import explanation  # noqa: PLC0415
    from vppd.journal.find import Found  # noqa: PLC0415
    from vppd.journal.header import About, Header  # noqa: PLC0415
    from vppd.journal.kept import keep  # noqa: PLC0415
    from vppd.journal.layout import Block  # noqa: PLC0415
    from vppd.journal.reader import TickRecord  # noqa: PLC0415
    from vppd.journal.schema import SCHEMA, Meta  # noqa: PLC0415
    from vppd.runtime.explain_unit_text import render_unit  # noqa: PLC0415

    params, decision = hello.params, inputs.decision
    again = tick(inputs.before, inputs.image, params)[1]
    header = Header(0, 0, b"", inputs.utc_s, About(hello.site, ""), SCHEMA, params)
    kept = keep(Block("Decision", SCHEMA.decision, len(params.ids)), decision)
    found = Found(
        segment="",
        header=header,
        record=TickRecord(0, 0, Meta(inputs.utc_s, 0.0, 0.0, 0.0), inputs.image, kept),
        decision=decision,
        before=inputs.before,
        difference=Compare("", header).decision(decision.tick, kept, again),
        first_s=inputs.utc_s,
        age_s=0.0,
        shadow=None,
        damage=None,
    )
    about = explanation(found, explain(inputs.before, inputs.image, params, decision))
    one = next(row for row in about.units if row.id == unit)
    document = dataclasses.asdict(dataclasses.replace(about, units=(one,)))
    plain: dict[str, Any] = _plain(document)
    plain["text"] = render_unit(about, one)
    return plain


def past_events(folder: Path) -> list[dict[str, Any]]:
    """Events of the journal, oldest first; those of ticks are not among them."""
    from vppd.journal.errors import JournalError  # noqa: PLC0415
    from vppd.journal.frames import Kind  # noqa: PLC0415
    from vppd.journal.scan import SegmentScan, segments  # noqa: PLC0415

    rows: list[dict[str, Any]] = []
    left = PAST_BYTES
    try:
        paths = segments(folder)
    except (JournalError, OSError):
        return []
    for path in reversed(paths):
        left -= path.stat().st_size
        if left < 0 or len(rows) >= PAST_EVENTS:
            break
        found: list[dict[str, Any]] = []
        try:
            with SegmentScan(path) as scan:
                found.extend(json.loads(f.payload) for f in scan if f.kind == Kind.EVENT)
        except (JournalError, OSError, ValueError):
            continue  # `vppd verify` tells what is wrong with it
        rows[:0] = found
    return rows[-PAST_EVENTS:]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
