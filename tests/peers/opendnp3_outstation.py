# ruff: noqa: N802 - names of opendnp3, and lines for the test that started it
"""A DNP3 outstation on opendnp3, in a process of its own: `PORT [UNSOLICITED]`.

Prints a JSON line for each control; reads JSON lines: {"ai": {index: value}}, {"refuse": bool}.
Its stack is C++ with threads: a fault in it must not take the test run with it.
"""

import json
import sys

import opendnp3 as o


def say(**fields):
    print(json.dumps(fields), flush=True)


class Handler(o.ICommandHandler):
    refuse = False

    def Begin(self):
        pass

    def End(self):
        pass

    def _status(self):
        return o.CommandStatus.OUT_OF_RANGE if self.refuse else o.CommandStatus.SUCCESS

    def Select(self, command, index):
        say(event="select", index=index, value=command.value, kind=type(command).__name__)
        return self._status()

    def Operate(self, command, index, handler, operate_type):
        say(event="operate", index=index, value=command.value, kind=type(command).__name__)
        return self._status()


class Application(o.IOutstationApplication):
    pass


def main():
    port, unsolicited = int(sys.argv[1]), len(sys.argv) > 2
    manager = o.DNP3Manager(1)
    config = o.OutstationStackConfig(o.DatabaseConfig(20))
    config.outstation.params.allowUnsolicited = unsolicited
    config.link.LocalAddr, config.link.RemoteAddr = 1024, 1
    channel = manager.AddTCPServer(
        "s",
        o.LogLevels.none(),
        o.ServerAcceptMode.CloseExisting,
        o.IPEndpoint("127.0.0.1", port),
        None,
    )
    handler, application = Handler(), Application()
    outstation = channel.AddOutstation("o", handler, application, config)
    outstation.Enable()
    say(event="ready")
    for line in sys.stdin:
        order = json.loads(line)
        handler.refuse = order.get("refuse", handler.refuse)
        if "ai" in order:
            builder = o.UpdateBuilder()
            for index, (value, flags) in order["ai"].items():
                builder.Update(o.Analog(value, o.Flags(flags)), int(index))
            outstation.Apply(builder.Build())
        say(event="done")
    manager.Shutdown()


main()
