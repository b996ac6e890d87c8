"""The page, in a real browser, on a live plant of 210 units.

Pictures of each page at three sizes are left in the folder of the run. Pages are asked by
`evaluate` in a loop: the console's own policy allows no code from texts, and so no
`wait_for_function`.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_daemon import Client
from console_bench import PASSWORD
from live_plant import LivePlant

from vppd.journal.reader import SegmentStart, TickRecord, read
from vppd.runtime.console_worker import past_events

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = next(
    (
        path
        for path in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser"))
        if path.exists()
    ),
    None,
)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.timeout(400),
]
PAGES = ("overview", "fleet", "orders", "alarms", "events")
SIZES = {"wall": (1920, 1080), "desk": (1280, 720), "phone": (390, 844)}
PATIENCE_S = 60.0
# Words of tables that are torn: the text takes more lines at its width than words would.
WORDS_BROKEN = """[...document.querySelectorAll('main td, main th')].filter(e => {
  if (!e.offsetParent || !e.textContent.trim()) return false;
  if ((e.closest('thead')?.offsetWidth ?? 9) <= 1) return false; // read aloud, not seen
  for (const node of textsOf(e)) {
    for (const word of node.data.matchAll(/[A-Za-z0-9.:]{2,}/g)) {
      const range = document.createRange();
      range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map(r => Math.round(r.top)));
      if (tops.size > 1) return true;
    }
  }
  return false;
  function textsOf(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) found.push(walker.currentNode);
    return found;
  }
}).map(e => e.textContent)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


def serious_barriers(tab: Any) -> list[tuple[str, str]]:
    """What axe-core reports as serious or worse: rule, and where."""
    return [
        (each["id"], each["nodes"][0]["html"][:200])
        for each in axe.Axe().run(tab).response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


class Page:
    """One tab, with what it complained of."""

    def __init__(self, browser: Any, plant: LivePlant, size: str = "desk") -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.tab = self.context.new_page()
        self.plant = plant
        self.errors: list[str] = []
        self.asked: set[str] = set()
        self.tab.on("console", self._said)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("request", lambda request: self.asked.add(request.url))
        self.tab.goto(f"http://127.0.0.1:{plant.port}/")
        self.until("(window.vppd?.store.history.utc_s.length ?? 0) > 3")

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def get(self, script: str) -> Any:
        return self.tab.evaluate(script)

    def until(self, script: str, patience_s: float = PATIENCE_S) -> float:
        """Wait until it is true; how long that took, s."""
        began_s = time.monotonic()
        while not self.get(script):
            assert time.monotonic() - began_s < patience_s, script
            self.tab.wait_for_timeout(50)
        return time.monotonic() - began_s

    def next_frame(self) -> None:
        """Wait until the page has shown what came after this."""
        seen = self.get("vppd.store.history.utc_s.at(-1)")
        self.until(f"vppd.store.history.utc_s.at(-1) !== {seen}")
        self.tab.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")

    def open(self, name: str) -> None:
        self.tab.keyboard.press("Escape")
        self.tab.evaluate(f"location.hash = '{name}'")
        self.until(f"!document.getElementById('page-{name}').hidden")

    def log_in(self, name: str) -> None:
        self.tab.click("#login-button")
        self.tab.fill("#login-name", name)
        self.tab.fill("#login-password", PASSWORD)
        self.tab.click("#login-form button[type=submit]")
        self.until(f"vppd.store.me.name === '{name}' && document.body.dataset.link === 'live'")

    def rows(self) -> list[str]:
        """Units in sight, from the top."""
        return self.get(
            "[...document.querySelectorAll('.rows .row:not([hidden])')]"
            ".sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map(r => r.dataset.unit)"
        )

    def confirm(self, why: str) -> list[str]:
        """Confirm the order that is shown; what its effect said."""
        self.until("!document.getElementById('confirm-give').disabled")
        effect = self.get("[...document.querySelectorAll('#effect li')].map(e => e.textContent)")
        self.tab.fill("#confirm-why", why)
        self.tab.click("#confirm-give")
        self.until("!document.getElementById('confirm').open")
        return effect


@pytest.fixture
def page(browser, plant) -> Iterator[Callable[..., Page]]:
    """Makes pages; each is to be left without a complaint."""
    made: list[Page] = []

    def make(size: str = "desk") -> Page:
        made.append(Page(browser, plant, size))
        return made[-1]

    yield make
    for each in made:
        each.context.close()


def test_it_shows_live_regulation(page):
    shown = page()
    shown.until("vppd.store.now.tick > 0")  # the history comes before the first tick
    first = shown.get("vppd.store.now.tick")
    shown.until(f"vppd.store.now.tick >= {first} + 5")
    assert shown.get("document.getElementById('mode').textContent") == "REGULATING"
    asked, delivered = shown.get("[vppd.store.now.request_mw, vppd.store.now.measured_mw]")
    assert abs(asked - delivered) < 20.0
    assert shown.tab.inner_text(".tile.delivered b") not in ("", "–")
    ticks = shown.get("vppd.store.history.utc_s.slice(-5).map((t, k, a) => k ? t - a[k-1] : 1)")
    assert max(ticks) < 3.0
    assert shown.errors == []


def test_no_request_leaves_the_machine(page, plant):
    shown = page()
    for name in PAGES:
        shown.open(name)
    assert all(url.startswith(f"http://127.0.0.1:{plant.port}/") for url in shown.asked)


def test_210_units_are_sorted_and_filtered(page):
    shown = page("wall")
    shown.open("fleet")
    shown.until("vppd.store.units !== null")
    assert shown.tab.inner_text("#shown") == "210 of 210 units"
    assert shown.get("document.querySelectorAll('.rows .row').length") < 80  # only those in sight
    shown.tab.click("[data-sort=id]")
    assert shown.rows()[0] > shown.rows()[1]  # downwards
    shown.tab.click("[data-sort=setpoint]")
    shown.until(
        "(() => { const p = vppd.fleet.order.map(i => vppd.store.units.setpoint[i]);"
        " return p.every((x, k) => !k || p[k-1] <= x + 0.5); })()"
    )
    shown.tab.fill("#filter", "bat")
    assert shown.tab.inner_text("#shown") == "14 of 210 units"
    assert all(name.startswith("bat") for name in shown.rows())
    shown.tab.fill("#filter", "")
    shown.tab.select_option("#kind", "pv")
    assert shown.tab.inner_text("#shown") == "20 of 210 units"
    shown.tab.select_option("#kind", "")
    shown.tab.click("#tree [role=treeitem]:has-text('hvac')")
    assert shown.tab.inner_text("#shown") == "60 of 210 units"
    assert shown.errors == []


def test_the_keyboard_reaches_a_unit_and_its_gates(page):
    shown = page()
    shown.tab.keyboard.press("2")
    shown.until("!document.getElementById('page-fleet').hidden")
    shown.tab.keyboard.press("/")
    shown.tab.keyboard.type("bat003")
    shown.tab.focus("#rows")
    shown.tab.keyboard.press("Enter")
    shown.until("document.querySelectorAll('.gate').length === 3")
    assert "bat003" in shown.tab.inner_text("#why-title")
    gates = shown.get("[...document.querySelectorAll('.gate')].map(g => g.dataset.gate)")
    assert gates == ["physics", "market", "operations"]
    limits = shown.get("[...document.querySelectorAll('.gate .mono')].map(e => e.textContent)")
    assert len(limits) == 2  # each side of the box belongs to one of the gates
    assert limits[0].startswith("no less than")
    assert limits[1].startswith("no more than")
    assert "gives the same bits" in shown.tab.inner_text("#why-body pre")
    shown.tab.keyboard.press("Escape")
    shown.until("!document.getElementById('why').open")
    assert shown.errors == []


def test_a_locked_out_unit_goes_and_the_others_take_over_within_two_ticks(page, plant):
    shown = page()
    shown.log_in("otto")
    shown.open("fleet")
    shown.until("vppd.store.units !== null")
    unit = "bat003"
    at = f"vppd.store.site.units.id.indexOf('{unit}')"
    shown.tab.fill("#filter", unit)
    shown.tab.click(f".row[data-unit={unit}] input")
    shown.tab.click("[data-act=lock_out]")
    effect = shown.confirm("smells of smoke")
    assert effect[0].startswith("1 unit:")
    shown.until(f"(vppd.store.units.flags[{at}] & 8) !== 0")
    shown.until(f"Math.abs(vppd.store.units.setpoint[{at}]) < 0.01")  # its safe value
    shown.tab.click("[data-act=why]")
    shown.until("document.querySelector('.gate.holds')?.dataset.gate === 'operations'")
    shown.tab.keyboard.press("Escape")
    shown.open("orders")
    shown.until(f"document.getElementById('in-force').textContent.includes('{unit}')")
    shown.tab.click("#in-force button")
    shown.confirm("it was a toaster")
    shown.until(f"(vppd.store.units.flags[{at}] & 8) === 0 || vppd.store.orders.length === 0")
    shown.open("events")
    shown.until("document.getElementById('events').textContent.includes('smells of smoke')")
    assert shown.errors == []
    before, after = around_the_order(plant.out / "run" / "journal", unit)
    i = after.ids.index(unit)
    # It goes, and the plant delivers what is asked all the same: the others have its share.
    assert abs(after.setpoint_mw[i]) < abs(before.setpoint_mw[i])
    others = np.arange(len(after.ids)) != i
    assert np.abs(after.setpoint_mw - before.setpoint_mw)[others].sum() > 0.0
    assert abs(after.unserved_mw) < 0.01


@dataclass
class Seen:
    """What a tick of the journal says."""

    ids: tuple[str, ...]
    locked: bool
    setpoint_mw: np.ndarray
    unserved_mw: float


def around_the_order(journal: Path, unit: str) -> tuple[Seen, Seen]:
    """Last tick before the unit was ordered out, and the first with it: one of the next two."""
    given_s = next(
        row["utc_s"] for row in past_events(journal) if row["event"] == "order_given"
    )  # fmt: skip
    ids: tuple[str, ...] = ()
    before, after = None, []
    for record in read(journal, skip_damaged=True):
        if isinstance(record, SegmentStart):
            ids = record.header.params.ids
        if isinstance(record, TickRecord):
            found = Seen(
                ids, bool(record.image.locked[ids.index(unit)]), record.decision.p_setpoint_mw,
 record.decision.unserved_mw,
            )  # fmt: skip
            if record.meta.utc_s < given_s:
                before = found
            elif len(after) < 2:
                after.append(found)
    return before, next(found for found in after if found.locked)


def test_an_alarm_is_acknowledged(page, plant):
    row = "vppd.store.alarms().find(a => a.id === 'peer_refused')"
    shown = page()
    shown.log_in("otto")
    shown.open("alarms")
    stranger = Client(plant.port)
    assert stranger.preview(kind="emergency_stop").status == 401  # which raises one
    shown.until(f"{row}?.state === 'unacknowledged'")
    shown.tab.click("tr[data-key=peer_refused] [data-verb=acknowledge]")
    shown.until(f"{row} === undefined || {row}.state === 'acknowledged'")
    shown.open("events")
    shown.until("document.getElementById('events').textContent.includes('who: otto')")
    assert shown.errors == []


def test_an_alarm_is_shelved_for_a_reason_and_shown_until_when(page, plant):
    row = "vppd.store.alarms().find(a => a.id === 'peer_refused')"
    shown = page()
    shown.log_in("otto")
    shown.open("alarms")
    assert Client(plant.port).preview(kind="emergency_stop").status == 401
    shown.until("document.querySelector('tr[data-key=peer_refused]') !== null")
    shown.tab.click("tr[data-key=peer_refused] [data-verb=shelve]")
    shown.tab.select_option("#shelve-for", "900")
    shown.tab.click("#shelve-form [type=submit]")
    assert shown.get("document.getElementById('shelve').open")  # nobody shelves without a reason
    shown.tab.fill("#shelve-why", "the penetration test")
    assert serious_barriers(shown.tab) == []
    shown.tab.click("#shelve-form [type=submit]")
    shown.until(f"{row}?.state === 'shelved'")
    assert shown.get(f"{row}.why") == "the penetration test"
    assert 800.0 < shown.get(f"{row}.shelved_for_s") <= 900.0
    shown.tab.check("#show-hidden")
    told = "document.querySelector('tr[data-key=peer_refused]')?.textContent ?? ''"
    shown.until(f"({told}).includes('until ')")
    assert "by otto: the penetration test" in shown.get(told)
    shown.tab.click("tr[data-key=peer_refused] [data-verb=unshelve]")
    shown.until(f"{row}?.state !== 'shelved'")
    assert shown.errors == []


def test_a_sum_says_what_is_not_measured(page):
    shown = page()
    shown.open("fleet")
    shown.until("vppd.store.units !== null && vppd.fleet.nodes.length > 2")
    # The units of the first kind are read but one, of the second none is.
    told = shown.get(
        "(() => { const f = vppd.fleet, u = vppd.store.units, [one, none] = f.nodes.slice(1, 3);"
        " const keep = u.measured; u.measured = keep.map((mw, i) =>"
        " none.units.has(i) || i === [...one.units][0] ? NaN : mw ?? 0);"
        " f.treeAt = undefined; f.paintTree(); u.measured = keep;"
        " return [one.mw.textContent, one.box.title, none.mw.textContent]; })()"
    )
    assert told[0].startswith("≈ ")
    assert "not read" in told[1]
    assert told[2] == "–"  # what was asked of them is not told as delivered


def test_a_viewer_is_refused(page):
    shown = page()
    shown.log_in("vera")
    shown.open("orders")
    assert shown.get("document.querySelector('[data-order=emergency_stop]').disabled")
    assert "you are vera, viewer" in shown.tab.inner_text("#order-hint")
    # And by the API, whatever the page says:
    code = shown.get(
        "fetch('/api/orders/preview', {method: 'POST', headers: {'content-type':"
        " 'application/json'}, body: '{\"kind\": \"emergency_stop\"}'}).then(a => a.status)"
    )
    assert code == 403
    shown.open("events")
    shown.until("document.getElementById('events').textContent.includes('vera is a viewer')")


def test_it_says_that_data_are_old(page, plant):
    shown = page()
    pid = int((plant.out / "daemon.pid").read_text())
    os.kill(pid, signal.SIGSTOP)  # a daemon that hangs: its connections stand, and nothing comes
    try:
        shown.until("!document.getElementById('stale').hidden", 30.0)
        assert "Old data" in shown.tab.inner_text("#stale")
        assert shown.get("document.body.dataset.stale") == "yes"
    finally:
        os.kill(pid, signal.SIGCONT)
    shown.until("document.getElementById('stale').hidden", 30.0)
    shown.until("vppd.store.name('mode', vppd.store.now.mode) === 'REGULATING'")


def test_it_survives_a_restart_of_the_daemon_without_a_reload(page, plant):
    shown = page()
    shown.get("window.same = true")
    shown.until("vppd.store.status !== null")
    seen = shown.get("vppd.store.history.utc_s.slice(0, 3)")
    killed = plant.kill_daemon()
    shown.until(f"vppd.store.status.pid !== {killed} && document.body.dataset.link === 'live'", 120)
    shown.until("document.getElementById('stale').hidden")
    shown.until("vppd.store.name('mode', vppd.store.now.mode) === 'REGULATING'")
    assert shown.get("window.same")
    assert shown.get("vppd.store.history.utc_s.slice(0, 3)") == seen  # nothing is forgotten


def test_the_journal_is_turned_back_and_stands_still_while_it_is_read(page):
    shown = page()
    shown.open("events")
    shown.until("document.querySelectorAll('#events tr').length > 0")
    newest = shown.tab.inner_text("#events tr")
    shown.tab.click("#event-older")
    shown.until("!document.getElementById('event-newest').hidden")
    box = "document.getElementById('events-box').getBoundingClientRect().top"
    head = "document.querySelector('#events-box th').getBoundingClientRect().top"
    assert shown.get(f"Math.abs({head} - {box})") < 2.0  # the words above the columns are in sight
    shown.tab.wait_for_timeout(2500)
    assert shown.tab.inner_text("#events tr") == newest
    shown.tab.fill("#event-filter", "no such word at all")
    shown.until("document.getElementById('event-count').textContent.includes('no such event')")
    assert shown.errors == []


@pytest.mark.parametrize("size", SIZES)
def test_full_pages_fit_too(page, plant, size, request):
    """Orders, alarms and dialogs, as they are when there is something in them."""
    shown = page(size)
    folder = Path(request.config.rootpath) / "build" / "console"
    folder.mkdir(parents=True, exist_ok=True)
    client = Client(plant.port)
    client.log_in("otto")
    held = client.give(kind="hold", units=["bat003", "bat004"], why="a long reason " * 4)
    assert held.status == 200
    assert Client(plant.port).preview(kind="emergency_stop").status == 401  # an alarm
    shown.log_in("otto")

    def look(name: str) -> None:
        shown.tab.screenshot(path=str(folder / f"{size}-{name}.png"))
        broken = shown.get(
            # A word that needs more than its place is broken in two, or runs over its neighbour.
            "[...document.querySelectorAll('main td, main th, main button, dialog[open] *')]"
            ".filter(e => e.offsetParent && e.children.length === 0 && e.textContent.trim()"
            " && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow === 'visible'"
            " && e.clientWidth > 0).map(e => e.textContent)"
        )
        assert broken == [], name
        words = shown.get(WORDS_BROKEN)
        assert words == [], name
        assert serious_barriers(shown.tab) == [], f"{size} {name}"

    shown.open("orders")
    shown.until("document.querySelector('#in-force td') !== null")
    look("orders-in-force")
    shown.open("alarms")
    shown.until("document.querySelector('#alarms td') !== null")
    look("alarms-there")
    shown.tab.click("[data-verb=shelve]")
    look("shelve")
    shown.open("fleet")
    shown.tab.fill("#filter", "bat003")
    shown.tab.click(".row[data-unit=bat003] input")
    shown.tab.click("[data-act=why]")
    shown.until("document.querySelectorAll('.gate').length === 3")
    look("why")
    shown.tab.keyboard.press("Escape")
    shown.tab.click("[data-act=hold]")
    shown.until("!document.getElementById('confirm-give').disabled")
    look("confirm")
    shown.tab.keyboard.press("Escape")
    assert client.give(kind="release", units=["bat003", "bat004"]).status == 200
    assert shown.errors == []


@pytest.mark.parametrize("size", SIZES)
def test_each_page_fits_and_has_no_serious_barrier(page, size, request):
    shown = page(size)
    folder = Path(request.config.rootpath) / "build" / "console"
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        shown.open(name)
        shown.next_frame()  # so that the picture has something on it
        shown.tab.screenshot(path=str(folder / f"{size}-{name}.png"))
        wide, inner = shown.get("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner, f"{name} is wider than the screen"
        thin = shown.get(
            "[...document.querySelectorAll('main td')].filter(e => e.offsetParent &&"
            " e.textContent.length > 5 && e.clientWidth < 24).map(e => e.textContent)"
        )
        assert thin == [], f"{name}: one letter to a line"
        cut = shown.get(
            "[...document.querySelectorAll('button, .tile b, h2')].filter(e => e.offsetParent"
            " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.textContent)"
        )
        assert cut == [], name
        assert serious_barriers(shown.tab) == [], f"{size} {name}"
    assert shown.errors == []


def test_the_page_is_the_same_for_who_may_not_see_the_plant(plant):
    assert Client(plant.port)("GET", "/").status == 200
