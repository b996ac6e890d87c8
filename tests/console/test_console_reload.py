"""A reload under orders: they stand, for the units that stay."""

import signal

from api_daemon import ApiDaemon, Client


def test_orders_outlive_a_reload(tmp_path):
    with ApiDaemon(tmp_path) as daemon:
        client = Client(daemon.port)
        client.log_in("otto")
        client.give(kind="hold", units=["battery-1"], p_mw=1.5, why="oil")
        client.give(kind="mode", mode="LOCAL", why="storm")
        text = daemon.config.read_text()
        daemon.config.write_text(text.replace("p_max_mw: 5.0\n    ramp", "p_max_mw: 4.0\n    ramp"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(lambda: client("GET", "/api/site").data["units"]["p_max_mw"] == [4.0])
        daemon.wait_for(lambda: status(client)["status"]["mode"] == "LOCAL")
        assert [row["why"] for row in status(client)["orders"]] == ["oil", "storm"]
        assert client.preview(kind="emergency_stop").status == 401  # sessions end with its process
        client.log_in("otto")
        assert client.give(kind="mode", mode="AUTO").status == 200


def status(client: Client) -> dict:
    return client("GET", "/api/status").data
