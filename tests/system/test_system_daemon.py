"""The daemon as its own process: start, stop, crash, shadow."""

import json
import random
import signal
import socket
import threading

import pytest
from daemons import Daemon, WarmDaemons, vppd, write_config

from vppd.core.tick import tick
from vppd.journal.export import rows
from vppd.ops.status_socket import read_status

KILLS = 20


@pytest.mark.timeout(240)
def test_kill_9_twenty_times_loses_at_most_the_last_tick(tmp_path):
    """Killed at any instant of a tick, the journal opens, replays, and lacks one tick at most."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    config = write_config(tmp_path)
    journal = tmp_path / "state" / "journal"
    told = []
    with WarmDaemons() as warm:
        for _ in range(KILLS):
            with Daemon(config, warm=warm) as daemon:
                daemon.hear("READY=1")
                daemon.hear_ticks(3)
                mid_tick = threading.Event()
                mid_tick.wait(rng.uniform(0.0, 0.1))  # anywhere between two ticks, not for effect
                told.append(read_status(tmp_path / "state" / "vppd.sock").tick)
                daemon.process.kill()
                assert daemon.process.wait(10.0) == -signal.SIGKILL
            newest = [row["tick"] for row in rows(journal, tick)][-1]
            assert newest >= told[-1] - 1
    replayed = json.loads(vppd("replay", journal, "--json").stdout)
    assert replayed["bit_exact"]
    assert replayed["chain_ok"]
    assert replayed["runs"] == KILLS
    assert replayed["ticks"] >= sum(told)


def test_a_second_daemon_on_the_same_folder_is_refused(tmp_path):
    config = write_config(tmp_path)
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        second = vppd("run", config)
        assert second.returncode == 3
        assert str(daemon.process.pid) in second.stderr.splitlines()[-1]
        daemon.hear_ticks(2)  # the first one goes on
        assert daemon.stop() == 0


def test_a_port_in_use_is_said_and_ends_with_3(tmp_path):
    config = write_config(tmp_path)
    port = int(config.read_text().split("dnp3_outstation")[1].split("port: ")[1].split("}")[0])
    with socket.create_server(("127.0.0.1", port)):
        result = vppd("run", config)
    assert result.returncode == 3
    assert result.stderr.splitlines()[-1] == (
        f"vppd: signal tso: 127.0.0.1:{port} is in use by another program;"
        " choose another port or stop it"
    )


def test_a_state_folder_that_is_none_is_said_before_anything_is_compiled(tmp_path):
    config = write_config(tmp_path)
    (tmp_path / "state").write_text("a file")
    result = vppd("run", config)
    assert result.returncode == 3
    assert result.stderr.splitlines() == [
        f"vppd: state_dir {tmp_path}/state: is not a folder; name another one"
    ]


def test_a_second_sigterm_is_no_news(tmp_path):
    config = write_config(tmp_path)
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(2)
        daemon.process.send_signal(signal.SIGSTOP)  # so that both wait for it at once
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGINT)
        daemon.process.send_signal(signal.SIGCONT)
        assert daemon.process.wait(20.0) == 0
    events = [json.loads(line)["event"] for line in daemon_log(tmp_path)]
    assert events.count("stopping") == 1
    assert not {"unserved_began", "unserved_ended"} & set(events)


def daemon_log(folder):
    return (folder / "daemon.log").read_text().splitlines()


def test_stop_ends_in_order_and_the_journal_is_closed(tmp_path):
    config = write_config(tmp_path)
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(5)
        assert daemon.stop() == 0
    verified = json.loads(vppd("verify", tmp_path / "state" / "journal", "--json").stdout)
    assert verified["chain_ok"]
    assert verified["closed"]
    assert verified["torn"] == []
    assert not (tmp_path / "state" / "vppd.sock").exists()


def test_status_tells_people_and_programs(tmp_path):
    config = write_config(tmp_path)
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(3)
        text = vppd("status", "--config", config)
        document = json.loads(vppd("status", "--config", config, "--json").stdout)
    assert text.returncode == 0
    assert "battery-1" in text.stdout
    assert document["mode"] == "STARTING"  # no unit was ever read: nothing answers there
    assert document["units_online"] == 0
    assert document["power"]["measured_mw"] is None  # unknown is not zero
    assert "refused" in document["benched"][0]["detail"]


def test_products_are_scored_beside_the_ticks(tmp_path):
    """Nothing was ever read: there is a product, an interval, and no score. It is never 0."""
    config = write_config(tmp_path)
    sold = "plan:\n  products:\n    - {market: pjm-2025-10}\n"
    config.write_text(config.read_text().replace("plan:\n", sold))
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(30)  # 3 s: it is scored once a second
        document = json.loads(vppd("status", "--config", config, "--json").stdout)
        assert daemon.stop() == 0
    (product,) = document["products"]
    assert product["market"] == "pjm-2025-10"
    assert product["since"] < document["utc"] < product["until"]
    assert (product["scored_s"], product["figures"]) == (0.0, [])
    assert product["error"] == "nothing is known yet"
    assert "task_failed" not in (tmp_path / "daemon.log").read_text()
