# ruff: noqa: N802 - names of opendnp3, and lines for the test that started it
"""A DNP3 master on opendnp3, in a process of its own: `PORT OUTSTATION MASTER [UNSOLICITED]`.

Reads JSON lines: {"operate": [index, kind, value], "select": bool}, {"integrity": true},
{"floats": true}, {"classes": true}; prints a JSON line for each answer, value and IIN.
"""

import json
import sys
import threading

import opendnp3 as o

KINDS = {
    "int32": o.AnalogOutputInt32,
    "int16": o.AnalogOutputInt16,
    "float": o.AnalogOutputFloat32,
    "double": o.AnalogOutputDouble64,
}
lock = threading.Lock()


def say(**fields):
    with lock:
        print(json.dumps(fields), flush=True)


class Soe(o.ISOEHandler):
    def BeginFragment(self, info):
        self.unsolicited = info.unsolicited

    def Process(self, info, values):
        for v in values:
            kind = type(v).__name__
            value = v.value.value
            say(
                event="value",
                kind=kind,
                index=v.index,
                value=value,
                is_event=info.isEventVariation,
                flags=v.value.flags.value,
                unsolicited=self.unsolicited,
            )

    def EndFragment(self, info):
        say(event="fragment", unsolicited=self.unsolicited)


class Application(o.IMasterApplication):
    def OnTaskComplete(self, info):
        say(event="task", type=str(info.type), result=str(info.result))

    def OnOpen(self):
        say(event="open")

    def OnClose(self):
        say(event="close")


def on_result(result):
    try:
        say(
            event="result",
            summary=str(result.summary),
            statuses=[[str(r.state), str(r.status)] for r in result.to_list()],
        )
    except Exception as error:  # noqa: BLE001 - it would end the process without a word
        say(event="result", error=repr(error))


def main():
    port, outstation, address = (int(a) for a in sys.argv[1:4])
    manager = o.DNP3Manager(1)
    channel = manager.AddTCPClient(
        "c",
        o.LogLevels.none(),
        o.ChannelRetry(o.TimeDuration.Milliseconds(100), o.TimeDuration.Milliseconds(500)),
        [o.IPEndpoint("127.0.0.1", port)],
        "127.0.0.1",
        None,
    )
    config = o.MasterStackConfig()
    config.master.responseTimeout = o.TimeDuration.Milliseconds(1500)
    config.master.disableUnsolOnStartup = True
    config.link.LocalAddr, config.link.RemoteAddr = address, outstation
    soe, application = Soe(), Application()
    master = channel.AddMaster("m", soe, application, config)
    master.Enable()
    say(event="ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "operate" in order:
            index, kind, value = order["operate"]
            send = master.SelectAndOperate if order.get("select") else master.DirectOperate
            send(KINDS[kind](value), index, on_result)
        if order.get("integrity"):
            master.ScanClasses(o.ClassField.AllClasses(), soe)
        if order.get("classes"):
            master.ScanClasses(o.ClassField.AllEventClasses(), soe)
        if order.get("floats"):
            master.ScanAllObjects(o.GroupVariationID(30, 5), soe)
    manager.Shutdown()


main()
