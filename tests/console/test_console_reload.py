"""A reload under orders: they stand, for the units that stay."""

import signal

from api_daemon import ApiDaemon, Client


def test_orders_outlive_a_reload_which_sets_an_alarm_otherwise(tmp_path):
    with ApiDaemon(tmp_path) as daemon:
        client = Client(daemon.port)
        client.log_in("otto")
        client.give(kind="hold", units=["battery-1"], p_mw=1.5, why="oil")
        client.give(kind="mode", mode="LOCAL", why="storm")
        assert Client(daemon.port).preview(kind="emergency_stop").status == 401
        daemon.wait_for(lambda: priority(client, "peer_refused") == "MEDIUM")
        text = daemon.config.read_text()
        text = text.replace("p_max_mw: 5.0\n    ramp", "p_max_mw: 4.0\n    ramp")
        text += "\nalarms: {kinds: [{alarm: peer_refused, priority: critical}]}\n"
        daemon.config.write_text(text)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(lambda: client("GET", "/api/site").data["units"]["p_max_mw"] == [4.0])
        daemon.wait_for(lambda: status(client)["status"]["mode"] == "LOCAL")
        assert priority(client, "peer_refused") == "CRITICAL"
        assert [row["why"] for row in status(client)["orders"]] == ["oil", "storm"]
        assert client.preview(kind="emergency_stop").status == 401  # sessions end with its process
        client.log_in("otto")
        assert client.give(kind="mode", mode="AUTO").status == 200


def status(client: Client) -> dict:
    return client("GET", "/api/status").data


def priority(client: Client, alarm: str) -> str | None:
    """Priority of an alarm that is not normal; None: it is, or the api process begins."""
    rows = ((status(client) or {}).get("status") or {}).get("alarms", ())
    return next((row["priority"] for row in rows if row["id"] == alarm), None)
