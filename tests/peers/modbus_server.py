"""pyModbusTCP's server in a process of its own: modbus_server.py PORT. Tells each write."""

import json
import sys

from pyModbusTCP.server import DataBank, ModbusServer


def tell(**fields: object) -> None:
    """Write one line of JSON."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


class Bank(DataBank):
    """Tells what is written into it."""

    def on_holding_registers_change(self, address, from_value, to_value, srv_info):
        tell(event="write", address=address, word=to_value)


def main() -> None:
    """Serve until killed, or until the parent is gone."""
    server = ModbusServer("127.0.0.1", int(sys.argv[1]), no_block=True, data_bank=Bank())
    server.start()
    tell(event="ready")
    for _line in sys.stdin:
        pass


if __name__ == "__main__":
    main()
