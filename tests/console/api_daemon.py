"""The installed `vppd run` with an API, on a plant of one battery that does not answer."""

import http.client
import json
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from console_bench import PASSWORD, write_users
from processes import free_port

from vppd.runtime.console_worker import past_events

VPPD = Path(sys.executable).with_name("vppd")
PATIENCE_S = 150.0  # the machine may be busy, and the kernels to be compiled
CONFIG = """\
site: {{name: test, state_dir: state, tick_s: 0.2, realtime_priority: 0, lock_memory: false}}
links:
  - {{id: battery-1, type: modbus_tcp, host: 127.0.0.1, port: {modbus_port}}}
fleet:
  - id: battery-1
    kind: battery
    group: yard
    device: {{driver: sunspec_battery, link: battery-1, unit_id: 1}}
    p_min_mw: -5.0
    p_max_mw: 5.0
    ramp_up_mw_per_s: 5.0
    ramp_down_mw_per_s: 5.0
    energy_mwh: 10.0
groups: [{{id: yard, p_max_mw: 5.0}}]
signals:
  - {{id: tso, type: dnp3_outstation, host: 127.0.0.1, port: {dnp3_port}}}
plan: {{regulation_capacity_up_mw: 4.0, regulation_capacity_down_mw: 4.0}}
api:
  port: {port}
  users_file: users
{more}"""


class Answer:
    """Status, headers and JSON of an answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()
        kind = self.headers.get_content_type()
        is_json = kind == "application/json" and self.text
        self.data: Any = json.loads(self.text) if is_json else None


class Client:
    """Speaks to the API as somebody."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        self.cookie = ""

    def connection(self) -> http.client.HTTPConnection:
        """A new connection; over TLS where there is a context."""
        if self.tls is not None:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=20.0, context=self.tls
            )
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20.0)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:  # fmt: skip
        wire = self.connection()
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        said = {"content-type": "application/json"} if data is not None else {}
        said |= {"cookie": self.cookie} if self.cookie else {}
        try:
            wire.request(method, path, data, said | (headers or {}))
            return Answer(wire.getresponse())
        finally:
            wire.close()

    def log_in(self, name: str, password: str = PASSWORD) -> Answer:
        answer = self("POST", "/api/session", {"name": name, "password": password})
        if answer.status == 200:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
        return answer

    def preview(self, **order: Any) -> Answer:
        return self("POST", "/api/orders/preview", order)

    def give(self, why: str = "a test", **order: Any) -> Answer:
        offer = self.preview(**order)
        assert offer.status == 200, offer.text
        body = {"confirmation": offer.data["confirmation"], "why": why}
        return self("POST", "/api/orders", body)


class ApiDaemon:
    """A running daemon, killed at the end of the `with`."""

    def __init__(self, folder: Path, more: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.tls = tls
        self.port = free_port()
        write_users(folder / "users")
        ports = {"modbus_port": free_port(), "dnp3_port": free_port()}
        self.config = folder / "vppd.yaml"
        self.config.write_text(CONFIG.format(port=self.port, more=more, **ports))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error):
        self.kill()

    def start(self) -> None:
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [VPPD, "run", self.config], stderr=log, start_new_session=True
            )
        asks = Client(self.port, self.tls)
        self.wait_for(lambda: asks("GET", "/api/status").status in (200, 401))

    def wait_for(self, holds) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while True:
            assert self.process.poll() is None, (self.folder / "daemon.log").read_text()
            try:
                if holds():
                    return
            except OSError:
                pass
            assert time.monotonic() < until_s, (self.folder / "daemon.log").read_text()[-3000:]
            time.sleep(0.05)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10.0)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20.0)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Events of a name that are in the journal."""
        rows = past_events(self.folder / "state" / "journal")
        return [row for row in rows if row["event"] == name]

    def has_event(self, name: str, **fields: str) -> bool:
        """Wait until the journal has such an event, each field with these words in it.

        A thread of its own writes it. False: it does not come.
        """
        until_s = time.monotonic() + 10.0
        while time.monotonic() < until_s:
            for row in self.events(name):
                if all(words in str(row.get(key, "")) for key, words in fields.items()):
                    return True
            time.sleep(0.1)
        return False
