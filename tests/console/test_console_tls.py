"""The console over HTTPS, with an authority made here: what a browser sees, and who may do what."""

import hashlib
import http.client
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_daemon import ApiDaemon, Client
from certificates import OPENSSL, make_certificates
from console_bench import PASSWORD

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path("/usr/bin/chromium")
HTTPS = "  cert_file: console.pem\n  key_file: console.key\n  anonymous: none\n"
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="no Chromium: apt-get install chromium"
)
pytestmark = [
    pytest.mark.skipif(OPENSSL is None, reason="no openssl"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("https")
    make_certificates(made, "console")
    (made / "console.key").chmod(0o600)
    return made


@pytest.fixture(scope="module")
def https(folder: Path) -> Iterator[ApiDaemon]:
    """A daemon whose console is for who has logged in, over TLS."""
    trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    with ApiDaemon(folder, HTTPS, trust) as running:
        yield running


def pin_of(folder: Path) -> str:
    """What Chromium names the one key by that it is to trust: SHA-256 of its public half."""
    assert OPENSSL is not None
    key = [OPENSSL, "pkey", "-in", str(folder / "console.key"), "-pubout", "-outform", "DER"]
    found = subprocess.run(key, check=True, capture_output=True)
    return b64encode(hashlib.sha256(found.stdout).digest()).decode()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        yield started.chromium


@pytest.fixture(scope="module")
def browser(chromium: Any, folder: Path) -> Iterator[Any]:
    """One that trusts the key of our console, and no other."""
    pin = f"--ignore-certificate-errors-spki-list={pin_of(folder)}"
    found = chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", pin])
    yield found
    found.close()


class Tab:
    """One browser tab at the console, and what it complained of."""

    def __init__(self, browser: Any, port: int) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 720})
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"https://127.0.0.1:{port}/")

    def until(self, script: str) -> None:
        for _ in range(600):
            if self.page.evaluate(script):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(script)

    def log_in(self, name: str, password: str = PASSWORD) -> None:
        self.page.click("#login-button")
        self.page.fill("#login-name", name)
        self.page.fill("#login-password", password)
        self.page.click("#login-form button[type=submit]")

    def status_of(self, method: str, path: str, body: str) -> int:
        return self.page.evaluate(
            "([method, path, body]) => fetch(path, {method, body,"
            " headers: {'content-type': 'application/json'}}).then(a => a.status)",
            [method, path, body],
        )


PLAN = '{"basepoint_mw": {"battery-1": 0.0}, "up_mw": 1.0, "down_mw": 1.0, "why": "day ahead"}'
STOP = '{"kind": "emergency_stop"}'


@needs_chromium
@pytest.mark.parametrize(
    ("name", "order", "plan"), [("vera", 403, 403), ("otto", 200, 403), ("elsa", 200, 200)]
)
def test_each_role_sees_the_plant_after_its_login_and_may_what_it_may(
    https, browser, name, order, plan
):
    tab = Tab(browser, https.port)
    tab.until("document.body.dataset.link === 'login'")
    assert tab.page.evaluate("vppd.store.status") is None  # nothing of the plant before
    tab.log_in(name)
    tab.until("document.body.dataset.link === 'live' && vppd.store.now.tick > 0")
    assert name in tab.page.inner_text("#who")
    (cookie,) = tab.context.cookies()
    assert cookie["secure"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert tab.status_of("POST", "/api/orders/preview", STOP) == order
    assert tab.status_of("POST", "/api/plans", PLAN) == plan
    tab.page.click("#login-button")  # log out
    tab.until("document.body.dataset.link === 'login'")
    assert tab.status_of("POST", "/api/orders/preview", STOP) == 401
    assert tab.errors == []
    tab.context.close()


@needs_chromium
def test_a_wrong_password_is_told_in_the_form(https, browser):
    tab = Tab(browser, https.port)
    tab.log_in("otto", "not the password")
    tab.until("document.getElementById('login-error').textContent.includes('wrong name')")
    assert tab.page.input_value("#login-password") == ""
    tab.context.close()


@needs_chromium
def test_a_browser_that_does_not_know_the_authority_opens_nothing(https, chromium):
    strict = chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
    with pytest.raises(playwright.Error, match="ERR_CERT_AUTHORITY_INVALID"):
        strict.new_page().goto(f"https://127.0.0.1:{https.port}/")
    strict.close()


def test_who_speaks_plain_http_is_not_answered(https):
    with pytest.raises((OSError, http.client.HTTPException)):
        Client(https.port)("GET", "/api/session")


def hello(port: int, version: str) -> int:
    """Exit code of a client that speaks that version of TLS alone."""
    assert OPENSSL is not None
    command = [OPENSSL, "s_client", "-connect", f"127.0.0.1:{port}", version]
    command += ["-cipher", "ALL:@SECLEVEL=0"]
    return subprocess.run(
        command, input=b"", capture_output=True, check=False, timeout=30.0
    ).returncode


def test_an_old_tls_is_not_spoken(https):
    assert hello(https.port, "-tls1_2") == 0
    assert hello(https.port, "-tls1_1") != 0
    assert hello(https.port, "-tls1") != 0


def test_answers_say_that_nothing_but_https_is_to_be_used(https):
    answer = Client(https.port, https.tls)("GET", "/api/session")
    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_key_that_others_may_read_is_refused_at_the_start(tmp_path):
    make_certificates(tmp_path, "console")
    (tmp_path / "console.key").chmod(0o644)
    daemon = ApiDaemon(tmp_path, HTTPS)
    with pytest.raises(AssertionError, match="chmod 600"):
        daemon.start()
