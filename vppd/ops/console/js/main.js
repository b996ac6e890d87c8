// The console: puts the pages together, and says when what it shows is old.
import { $, Store, time } from "./store.js";
import { Live, call } from "./link.js";
import { Charts } from "./charts.js";
import { Overview } from "./overview.js";
import { Fleet } from "./fleet.js";
import { Orders } from "./orders.js";
import { Alarms, Events } from "./lists.js";
import { Why } from "./why.js";

const PAGES = ["overview", "fleet", "orders", "alarms", "events"], STALE_TICKS = 3, STALE_LEAST_S = 3;
const GOOD_MODES = ["BASEPOINT", "REGULATING"];

const store = new Store(), why = new Why();
let toastTimer = 0;
function toast(text) { $("toast").textContent = text; clearTimeout(toastTimer); toastTimer = setTimeout(() => { $("toast").textContent = ""; }, 6000); }
const orders = new Orders(store, toast), alarms = new Alarms(store, toast), events = new Events(store), overview = new Overview(store), charts = new Charts(store);
const fleet = new Fleet(store, (act, units) => { if (act === "why") why.show(store.site.units.id[units[0]]); });
const live = new Live(store, showLink);
window.vppd = { store, fleet, live }; // for who looks under the bonnet

function showLink(state) {
  document.body.dataset.link = state;
  const words = { connecting: "connecting", live: "live", lost: "connection lost, trying again", login: "log in to see the plant" };
  $("link").textContent = words[state];
  $("link").className = `badge ${state === "live" ? "good" : "bad"}`;
}

let waiting = false;
store.on("frame", () => { if (!waiting) { waiting = true; requestAnimationFrame(drawFrame); } });
function drawFrame() {
  waiting = false;
  const mode = store.name("mode", store.now.mode);
  $("mode").textContent = mode; $("mode").className = `badge ${GOOD_MODES.includes(mode) ? "good" : "bad"}`;
  $("clock").textContent = `${time(store.now.utc_s)} UTC`;
  overview.draw(); charts.draw(); fleet.frame(); checkStale();
}
store.on("site", () => { $("site").textContent = store.site.site; document.title = `${store.site.site} · vppd`; fleet.setSite(); });
store.on("status", () => { $("shadow").hidden = !store.status.shadow; overview.drawStatus(); alarms.draw(); orders.draw(); });
store.on("events", () => events.draw());
store.on("me", () => {
  const { name, role, users } = store.me;
  $("who").textContent = name ? `${name}, ${role}` : role === "viewer" ? "viewer" : "";
  $("login-button").textContent = name ? "Log out" : "Log in"; $("login-button").hidden = !users;
  fleet.tellSelected(); orders.draw(); alarms.draw();
});

// The page knows how old its newest tick is, and says so; a number that stands still looks like a good one.
function checkStale() {
  const limit = Math.max(STALE_LEAST_S, STALE_TICKS * (store.site?.tick_s ?? 1)), age = (performance.now() - store.received) / 1000;
  const stale = store.received > 0 && age > limit;
  document.body.dataset.stale = stale ? "yes" : "no";
  $("stale").hidden = !stale;
  if (stale) $("stale").textContent = `Old data: the last tick is of ${time(store.now.utc_s)} UTC, ${age.toFixed(0)} s ago. Do not act on what is shown.`;
}
setInterval(checkStale, 500);

function show(page) {
  const name = PAGES.includes(page) ? page : PAGES[0];
  for (const each of PAGES) $(`page-${each}`).hidden = each !== name;
  document.querySelectorAll("[data-page]").forEach((a) => { if (a.dataset.page === name) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current"); });
  live.want(name === "fleet");
  if (store.received) drawFrame();
  if (name === "overview") charts.resize();
  if (name === "fleet") fleet.arrange();
  events.draw(); orders.draw(); alarms.draw();
}
addEventListener("hashchange", () => show(location.hash.slice(1)));
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key >= "1" && event.key <= "5") location.hash = PAGES[Number(event.key) - 1];
  if (event.key === "/") { location.hash = "fleet"; $("filter").focus(); event.preventDefault(); }
});

document.querySelectorAll("[data-act]").forEach((button) => button.addEventListener("click", () => {
  const names = fleet.names();
  if (button.dataset.act === "why") why.show(names[0]); else orders.aboutUnits(button.dataset.act, names);
}));

$("login-button").addEventListener("click", async () => {
  if (store.me.name) { await call("DELETE", "/api/session").catch(() => {}); live.restart(); return; }
  $("login-error").textContent = ""; $("login").showModal(); $("login-name").focus();
});
$("login-cancel").addEventListener("click", () => $("login").close());
$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await call("POST", "/api/session", { name: $("login-name").value, password: $("login-password").value });
    $("login").close(); live.restart();
  } catch (error) { $("login-error").textContent = error.message; }
  finally { $("login-password").value = ""; }
});

show(location.hash.slice(1));
live.start();
