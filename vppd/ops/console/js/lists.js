// Alarms and the journal.
import { $, element, day, num, since, unitOf, words } from "./store.js";
import { call } from "./link.js";
import { mark } from "./overview.js";

const HIDDEN = ["suppressed", "shelved", "out_of_service"];
const SHELF_S = [900, 3600, 14400];
const reading = (a) => (Number.isFinite(a.value) ? `${+a.value.toPrecision(3)} ${a.unit}`.trim() : "");
const LEFT_OUT = new Set(["utc_s", "event"]), PAGE = 200;

export class Alarms {
  constructor(store, toast) {
    this.store = store; this.toast = toast; this.shelved = null;
    $("show-hidden").addEventListener("change", () => this.draw());
    $("shelve-cancel").addEventListener("click", () => $("shelve").close());
    $("shelve-form").addEventListener("submit", (event) => { event.preventDefault(); this.shelve(); });
  }
  draw() {
    const all = this.store.alarms(), open = all.filter((a) => ["unacknowledged", "returned"].includes(a.state)).length, can = this.store.may("operator");
    $("alarm-count").hidden = !open; $("alarm-count").textContent = String(open); $("alarm-count").setAttribute("aria-label", `${open} not acknowledged`);
    const hidden = all.filter((a) => HIDDEN.includes(a.state)).length, shown = all.filter((a) => $("show-hidden").checked || !HIDDEN.includes(a.state));
    $("hidden-count").textContent = `${hidden} hidden`;
    const key = JSON.stringify([shown.map((a) => [a.id, a.state, a.detail, a.count, reading(a)]), can]);
    if (this.drawn === key) return; // a button must not vanish under a finger
    this.drawn = key;
    const now = this.store.statusUtc();
    if (!shown.length) { $("alarms").replaceChildren(element("p", { class: "none" }, "No alarms.")); return; }
    const rows = shown.map((a) => element("tr", { "data-key": a.id }, element("td", { class: `p-${a.priority.toLowerCase()}` }, mark(a.priority)), element("td", { class: "mono" }, since(now - a.since_s, now)),
      element("td", {}, `${a.first_out ? "first: " : ""}${a.title}${a.subject ? `: ${a.subject}` : ""}`, element("br"), element("small", { class: "hint" }, [a.detail, reading(a), a.action].filter(Boolean).join(" · "))), element("td", {}, a.state.toLowerCase().replaceAll("_", " "), element("small", { class: "hint" }, this.how(a, now))),
      element("td", {}, ...this.buttons(a, can))));
    $("alarms").replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...["priority", "since", "alarm", "state", "do"].map((t) => element("th", { scope: "col" }, t)))), element("tbody", {}, ...rows)));
  }
  buttons(a, can) {
    const button = (verb, label, body = {}) => element("button", { type: "button", disabled: !can, title: can ? "" : "for an operator: log in", "data-verb": verb, "aria-label": `${label}: ${a.id}`, onclick: () => this.act(a.id, verb, body) }, label);
    const all = [];
    if (["unacknowledged", "returned"].includes(a.state)) all.push(button("acknowledge", "Acknowledge"));
    if (a.state === "shelved") all.push(button("unshelve", "Unshelve"));
    else if (a.state === "out_of_service") all.push(button("return_to_service", "Return to service"));
    else if (a.shelve_max_s > 0) all.push(" ", element("button", { type: "button", disabled: !can, title: can ? "" : "for an operator: log in", "data-verb": "shelve", "aria-label": `Shelve: ${a.id}`, onclick: () => this.askShelf(a) }, "Shelve…"));
    return all;
  }
  // How it came into its state: by whom and why, by which cause, until when.
  how(a, now) {
    const parts = [];
    if (a.who) parts.push(`by ${a.who}${a.why ? `: ${a.why}` : ""}`);
    if (a.suppressed_by) parts.push(`by ${a.suppressed_by.replaceAll("_", " ")}`);
    if (a.state === "shelved") parts.push(`until ${since(now + a.shelved_for_s, now)}`);
    return parts.length ? ` ${parts.join(", ")}` : "";
  }
  async act(id, verb, body) {
    try { await call("POST", `/api/alarms/${encodeURIComponent(id)}/${verb}`, body); } catch (error) { this.toast(error.message); }
  }

  askShelf(a) {
    this.shelved = a.id;
    $("shelve-title").textContent = `Shelve: ${a.title}${a.subject ? `: ${a.subject}` : ""}`;
    const times = SHELF_S.filter((s) => s < a.shelve_max_s).concat(a.shelve_max_s);
    $("shelve-for").replaceChildren(...times.map((s) => element("option", { value: s }, s < 3600 ? `${num(s / 60, 0)} min` : `${+(s / 3600).toFixed(1)} h`)));
    $("shelve-why").value = ""; $("shelve-error").textContent = "";
    $("shelve").showModal(); $("shelve-why").focus();
  }
  async shelve() {
    try {
      await call("POST", `/api/alarms/${encodeURIComponent(this.shelved)}/shelve`, { for_s: Number($("shelve-for").value), why: $("shelve-why").value });
      $("shelve").close();
    } catch (error) { $("shelve-error").textContent = error.message; }
  }
}

export class Events {
  constructor(store) {
    this.store = store; this.found = null; // what was looked for in older ones; null: the newest are shown
    $("event-filter").addEventListener("input", () => { this.found = null; this.draw(); });
    $("event-older").addEventListener("click", () => this.older());
    $("event-newest").addEventListener("click", () => { this.found = null; this.draw(); });
  }
  word() { return $("event-filter").value.trim().toLowerCase(); }
  // What the page has is the newest; the daemon is asked for what was before.
  async older() {
    const shown = this.shown(), last = shown.at(-1)?.utc_s ?? Date.now() / 1000;
    const query = new URLSearchParams({ limit: PAGE, contains: this.word().slice(0, 64), before_utc_s: last });
    try { this.found = [...shown, ...await call("GET", `/api/events?${query}`)]; } catch (error) { $("event-count").textContent = error.message; return; }
    this.end = this.found.length === shown.length;
    this.draw();
  }
  shown() { const word = this.word(); return this.found ?? this.store.events.filter((row) => !word || JSON.stringify(row).toLowerCase().includes(word)).slice(0, PAGE); }
  draw() {
    if ($("page-events").hidden) return;
    const found = this.shown(), first = found.at(-1)?.utc_s;
    $("event-count").textContent = found.length ? `${found.length} events since ${day(first)}` : "no such event among the newest";
    $("event-newest").hidden = this.found === null;
    $("event-older").disabled = this.found !== null && this.end;
    const key = JSON.stringify([found.length, found[0], first]);
    if (this.drawn === key) return; // what is being read does not move
    this.drawn = key;
    $("events").replaceChildren(...found.map((row) => element("tr", {}, element("td", { class: "mono" }, day(row.utc_s)), element("td", {}, String(row.event).replaceAll("_", " ")), element("td", {}, about(row)))));
  }
}
const about = (row) => Object.entries(row).filter(([key, value]) => !LEFT_OUT.has(key) && value !== null && value !== "" && value !== "NONE").map(([key, value]) => `${words(key)}: ${Array.isArray(value) ? value.join(", ") : typeof value === "number" && !Number.isInteger(value) ? +value.toFixed(3) : value}${unitOf(key) && ` ${unitOf(key)}`}`).join(" · ");
