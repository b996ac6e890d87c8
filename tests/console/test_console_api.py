"""The API of a real daemon: what it answers, what it refuses, and that both are in the journal."""

import os
import re
import signal
from pathlib import Path

import pytest
from api_daemon import ApiDaemon, Client
from builders import params
from console_bench import PASSWORD

from vppd.ops.api.users import Role, UsersError, _user, read_users, user_line
from vppd.runtime.api_page import rendered

UNIT = "battery-1"
pytestmark = pytest.mark.timeout(300)  # the machine may be busy


def test_a_viewer_sees_everything_and_needs_no_login(anybody):
    assert anybody("GET", "/api/session").data == {"name": "", "role": "viewer", "users": True}
    site = anybody("GET", "/api/site").data
    assert site["units"]["id"] == [UNIT]
    assert site["groups"] == {"id": ["yard"], "parent": [-1]}
    assert anybody("GET", "/api/status").data["status"]["site"] == "test"
    assert anybody("GET", "/api/history?seconds=60").data["utc_s"]
    assert anybody("GET", f"/api/units/{UNIT}/why").data["units"][0]["id"] == UNIT
    assert anybody("GET", "/api/units/nobody/why").status == 404


def test_the_page_and_its_files_come_with_headers_that_let_nothing_else_in(anybody):
    for path in ("/", "/style.css", "/js/main.js", "/vendor/uplot.js"):
        answer = anybody("GET", path)
        assert answer.status == 200, path
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert anybody("GET", "/../api/status").status == 404


@pytest.mark.parametrize("path", ["/api/orders/preview", "/api/orders", "/api/plans"])
def test_who_has_not_logged_in_gives_no_order(daemon, anybody, path):
    bodies = {
        "/api/orders/preview": {"kind": "emergency_stop"},
        "/api/orders": {"confirmation": "x", "why": "a test"},
        "/api/plans": {"basepoint_mw": {UNIT: 0.0}, "up_mw": 1.0, "down_mw": 1.0, "why": "a test"},
    }
    assert anybody("POST", path, bodies[path]).status == 401
    assert refused(daemon, what=path, why="not logged in")


def test_a_viewer_gives_no_order(daemon, vera):
    answer = vera.preview(kind="emergency_stop")
    assert answer.status == 403
    assert "for an operator" in answer.data["detail"]
    assert refused(daemon, who="vera", what="/api/orders/preview", why="for an operator")


def test_an_operator_proposes_no_plan(otto):
    plan = {"basepoint_mw": {UNIT: 0.0}, "up_mw": 1.0, "down_mw": 1.0, "why": "a test"}
    assert otto("POST", "/api/plans", plan).status == 403


def test_an_order_is_shown_then_given_then_in_the_journal(daemon, otto):
    offer = otto.preview(kind="lock_out", units=[UNIT], expires_in_s=600.0)
    assert offer.data["effect"]["units"] == 1
    assert any("Promised for 15 min" in line for line in offer.data["effect_words"])
    assert in_force(otto) == []  # to look at an effect changes nothing
    given = otto("POST", "/api/orders", {"confirmation": offer.data["confirmation"], "why": "oil"})
    assert given.status == 200, given.text
    (row,) = in_force(otto)
    assert (row["who"], row["why"], row["units"]) == ("otto", "oil", [UNIT])
    assert 590.0 < row["until_utc_s"] - row["given_utc_s"] <= 600.0
    assert daemon.has_event("order_given", who="otto", why="oil", order=UNIT, effect="1 unit")
    assert otto.give(kind="release", groups=["yard"]).status == 200
    assert in_force(otto) == []


def test_an_order_is_given_once(daemon, otto):
    offer = otto.preview(kind="mode", mode="LOCAL").data
    body = {"confirmation": offer["confirmation"], "why": "a test"}
    assert otto("POST", "/api/orders", body).status == 200
    again = otto("POST", "/api/orders", body)
    assert again.status == 409
    assert "replayed" in again.data["detail"]
    assert refused(daemon, who="otto", why="replayed")
    assert otto.give(kind="mode", mode="AUTO").status == 200


def test_nobody_confirms_what_another_asked_for(otto, elsa):
    offer = otto.preview(kind="mode", mode="LOCAL").data
    body = {"confirmation": offer["confirmation"], "why": "a test"}
    assert "somebody else" in elsa("POST", "/api/orders", body).data["detail"]


def test_the_mode_follows_its_order(daemon, otto):
    assert otto.give(kind="mode", mode="LOCAL").status == 200
    daemon.wait_for(lambda: mode(otto) == "LOCAL")
    assert otto.give(kind="mode", mode="AUTO").status == 200
    daemon.wait_for(lambda: mode(otto) != "LOCAL")


def test_an_emergency_stop_outranks_every_hold(daemon, otto):
    otto.give(kind="lock_out", units=[UNIT])
    otto.give(kind="emergency_stop", why="smoke")
    daemon.wait_for(lambda: mode(otto) == "SAFE")
    assert [row["order"] for row in in_force(otto)] == ["EMERGENCY STOP"]
    assert "end it with mode AUTO" in otto.preview(kind="mode", mode="LOCAL").data["detail"]
    assert otto.give(kind="mode", mode="AUTO").status == 200
    daemon.wait_for(lambda: mode(otto) != "SAFE")


def test_the_capacity_follows_its_order_until_it_expires(daemon, otto):
    otto.give(kind="capacity", up_mw=2.0, down_mw=1.0, expires_in_s=2.0)

    def capacity() -> tuple[float, float]:
        plan = otto("GET", "/api/status").data["status"]["plan"]
        return plan["regulation_capacity_up_mw"], plan["regulation_capacity_down_mw"]

    daemon.wait_for(lambda: capacity() == (2.0, 1.0))
    daemon.wait_for(lambda: capacity() == (4.0, 4.0))
    assert daemon.has_event("order_expired", order="regulation capacity")


def test_a_plan_is_proposed_then_accepted(daemon, otto, elsa):
    plan = {"basepoint_mw": {UNIT: 1.0}, "up_mw": 3.0, "down_mw": 3.0, "why": "day ahead"}
    proposed = elsa("POST", "/api/plans", plan)
    assert proposed.status == 200, proposed.text
    number = proposed.data["number"]
    daemon.wait_for(lambda: otto("GET", "/api/status").data["plans"])
    given = otto.give(kind="accept_plan", plan=number)
    daemon.wait_for(
        lambda: otto("GET", "/api/status").data["status"]["plan"]["basepoint_mw"] == 1.0
    )
    assert otto.give(kind="cancel", number=given.data["number"]).status == 200
    for wrong in ({UNIT: 99.0}, {}, {UNIT: 0.0, "b": 0.0}):
        assert elsa("POST", "/api/plans", plan | {"basepoint_mw": wrong}).status == 409


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"kind": "hold", "units": ["nobody"]}, "there is no unit 'nobody'"),
        ({"kind": "hold", "groups": ["nowhere"]}, "there is no group 'nowhere'"),
        ({"kind": "hold"}, "name at least one unit or group"),
        ({"kind": "hold", "units": [UNIT], "p_mw": 9.0}, "not within -5 to 5 MW"),
        ({"kind": "lock_out", "units": [UNIT], "p_mw": 1.0}, "lock_out has no 'p_mw'"),
        ({"kind": "mode"}, "mode must be one of AUTO, LOCAL, SAFE"),
        ({"kind": "mode", "mode": "AUTO"}, "the plant is in automatic"),
        ({"kind": "capacity", "up_mw": 1.0}, "down_mw must be a number"),
        ({"kind": "accept_plan", "plan": 999}, "there is no plan 999"),
        ({"kind": "cancel", "number": 999}, "there is no order or plan 999"),
        ({"kind": "release", "units": [UNIT]}, "no order in force holds these units"),
    ],
)
def test_an_order_that_makes_no_sense_says_why(otto, order, words):
    answer = otto.preview(**order)
    assert answer.status == 409
    assert words in answer.data["detail"]


def test_orders_outlive_the_daemon(tmp_path):
    with ApiDaemon(tmp_path) as daemon:
        client = Client(daemon.port)
        client.log_in("otto")
        client.give(kind="hold", units=[UNIT], p_mw=1.5, why="oil")
        client.give(kind="mode", mode="LOCAL", why="storm")
        daemon.kill()
        daemon.start()
        daemon.wait_for(lambda: mode(client) == "LOCAL")
        assert [(row["who"], row["why"]) for row in in_force(client)] == [
            ("otto", "oil"),
            ("otto", "storm"),
        ]
        assert client.preview(kind="emergency_stop").status == 401  # but sessions do not
        assert daemon.stop() == 0


def test_the_api_process_is_started_again_and_no_client_is_refused(tmp_path):
    with ApiDaemon(tmp_path) as daemon:
        client = Client(daemon.port)
        before = children(daemon.process.pid)
        tick = client("GET", "/api/status").data["status"]["tick"]
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        daemon.wait_for(lambda: client("GET", "/api/status").status == 200)
        assert client("GET", "/api/status").data["status"]["tick"] > tick
        assert set(children(daemon.process.pid)).isdisjoint(before)


def test_a_wrong_password_is_refused_and_guessing_is_slowed_down(tmp_path):
    with ApiDaemon(tmp_path) as daemon:
        client = Client(daemon.port)
        codes = [client.log_in(name, "wrong").status for name in ("otto", "nobody") * 6]
        assert codes[:2] == [401, 401]
        assert codes[-1] == 429
        assert client.log_in("otto").status == 429  # the right one too: nothing is told by it
        assert refused(daemon, why="wrong name or password of 'otto'")


def test_nothing_is_seen_without_a_login_where_the_configuration_says_so(tmp_path):
    with ApiDaemon(tmp_path, "  anonymous: none\n") as daemon:
        client = Client(daemon.port)
        assert client("GET", "/").status == 200
        for path in (
            "/api/status",
            "/api/site",
            "/api/history",
            "/api/events",
            "/api/openapi.json",
        ):
            assert client("GET", path).status == 401, path
        client.log_in("vera")
        assert client("GET", "/api/status").status == 200
        client("DELETE", "/api/session")
        assert client("GET", "/api/status").status == 401


def test_a_body_that_is_too_large_is_refused(daemon, otto):
    big = b'{"kind": "' + b"x" * 70_000 + b'"}'
    assert otto("POST", "/api/orders/preview", raw=big).status == 413
    assert refused(daemon, why="a body of more than")


def test_a_body_without_a_length_is_cut_off(otto):
    headers = {"transfer-encoding": "chunked"}
    chunk = b"fa00\r\n" + b" " * 64000 + b"\r\n"
    answer = otto("POST", "/api/orders/preview", raw=chunk * 3 + b"0\r\n\r\n", headers=headers)
    assert answer.status == 413


def test_a_name_that_is_not_ours_is_refused(daemon, anybody):
    assert anybody("GET", "/api/status", headers={"host": "evil.example"}).status == 421
    assert refused(daemon, why="evil.example")


def test_a_page_from_elsewhere_gives_no_order(daemon, otto):
    elsewhere = {"origin": "http://evil.example"}
    body = {"kind": "emergency_stop"}
    assert otto("POST", "/api/orders/preview", body, headers=elsewhere).status == 403
    assert otto("DELETE", "/api/session", headers=elsewhere).status == 403
    assert refused(daemon, why="another page")


def test_a_login_is_in_the_journal_and_the_cookie_is_for_no_script(daemon):
    client = Client(daemon.port)
    answer = client.log_in("vera", PASSWORD)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert daemon.has_event("login", who="vera", role="viewer")


def refused(daemon: ApiDaemon, **fields: str) -> bool:
    return daemon.has_event("api_refused", **fields)


def in_force(client: Client) -> list[dict]:
    return client("GET", "/api/status").data["orders"]


def mode(client: Client) -> str:
    return client("GET", "/api/status").data["status"]["mode"]


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 - no file of the disk
        return [int(word) for word in file.read().split()]


def test_the_routes_in_the_documentation_are_those_of_the_api():
    """Write it anew by `python -m vppd.runtime.api_page docs/api.md`."""
    page = Path(__file__).parents[2] / "docs" / "api.md"
    assert page.read_text() == rendered(page.read_text(), params())


def test_a_user_line_holds_no_password_and_lets_in_who_has_it():
    user = _user(user_line("otto", Role.OPERATOR, PASSWORD))
    assert PASSWORD not in repr(user)
    assert user.has(PASSWORD)
    assert not user.has(PASSWORD + " ")
    with pytest.raises(UsersError, match="at least 12 characters"):
        user_line("otto", Role.OPERATOR, "short")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "has no users"),
        ("otto:operator:plain:1:1:1:a:b", "is no line of `vppd user`"),
        ("otto:king:scrypt:32768:8:1:AAAA:AAAA", "name or role"),
        ("otto:operator:scrypt:2:8:1:AAAA:" + "A" * 43 + "=", "too weak or too dear"),
    ],
)
def test_a_file_of_users_that_will_not_do_says_why(tmp_path, line, words):
    path = tmp_path / "users"
    path.touch(0o600)
    path.write_text(line + "\n")
    with pytest.raises(UsersError, match=re.escape(words)):
        read_users(path)
    path.chmod(0o644)
    with pytest.raises(UsersError, match="chmod 600"):
        read_users(path)
