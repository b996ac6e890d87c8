// What is known of the plant: the site, the newest frame, what was. Nothing here touches the page.

export const HISTORY_S = 3700;
const COLUMNS = ["utc_s", "agc_pu", "freq_hz", "request_mw", "measured_mw", "basepoint_mw",
  "unserved_mw", "capacity_up_mw"];

export class Store {
  constructor() {
    this.site = null; this.index = {}; this.now = {}; this.units = null; this.status = null;
    this.orders = []; this.plans = []; this.events = [];
    this.history = Object.fromEntries(COLUMNS.map((name) => [name, []]));
    this.received = 0; this.me = { name: "", role: "none", users: false };
    this.listeners = new Map();
  }
  on(what, call) { if (!this.listeners.has(what)) this.listeners.set(what, []); this.listeners.get(what).push(call); }
  tell(what) { for (const call of this.listeners.get(what) ?? []) call(); }

  setSite(site) {
    this.site = site;
    this.index = Object.fromEntries(site.scalars.map((name, k) => [name, k]));
    this.units = null;
    this.tell("site");
    if (this.early) { const buffer = this.early; this.early = null; this.takeFrame(buffer); }
  }

  // A frame as docs/api.md has it: head, scalars, columns. The columns are views, not copies.
  takeFrame(buffer) {
    if (!this.site) { this.early = buffer; return; }
    const view = new DataView(buffer);
    if (view.getUint32(0, false) !== 0x56504631) return; // "VPF1"
    const n = view.getUint32(4, true), scalars = this.site.scalars;
    for (let k = 0; k < scalars.length; k++) this.now[scalars[k]] = view.getFloat64(8 + 8 * k, true);
    if (n && n === this.site.units.id.length) {
      let at = 8 + 8 * scalars.length;
      const f4 = () => { const a = new Float32Array(buffer, at, n); at += 4 * n; return a; };
      const u1 = () => { const a = new Uint8Array(buffer, at, n); at += n; return a; };
      this.units = { setpoint: f4(), measured: f4(), soc: u1(), reason: u1(), held: u1(), flags: u1() };
    }
    this.received = performance.now();
    this.remember();
    this.tell("frame");
  }

  remember() {
    const h = this.history, last = h.utc_s.at(-1);
    if (last !== undefined && this.now.utc_s <= last) return;
    for (const name of COLUMNS) h[name].push(finite(this.now[name]));
    const first = this.now.utc_s - HISTORY_S;
    let drop = 0;
    while (h.utc_s[drop] < first) drop++;
    if (drop > 60) for (const name of COLUMNS) h[name].splice(0, drop);
  }

  // What the daemon remembers goes before what this page has seen itself: neither is lost.
  takeHistory(columns) {
    const h = this.history, begin = h.utc_s[0] ?? Infinity, seen = new Set(h.utc_s.map((t) => Math.round(10 * t)));
    const rows = columns.utc_s.map((t, k) => k).filter((k) => !seen.has(Math.round(10 * columns.utc_s[k])));
    if (!rows.length) return;
    const all = rows.map((k) => COLUMNS.map((name) => columns[name]?.[k] ?? null));
    for (let k = 0; k < h.utc_s.length; k++) all.push(COLUMNS.map((name) => h[name][k]));
    if (columns.utc_s.at(-1) > begin) all.sort((a, b) => a[0] - b[0]);
    COLUMNS.forEach((name, c) => { h[name] = all.map((row) => row[c]); });
    this.tell("frame");
  }

  takeStatus(data) {
    this.status = data.status; this.orders = data.orders; this.plans = data.plans;
    this.tell("status");
  }
  takeEvents(rows) { this.events = [...rows.slice().reverse(), ...this.events].slice(0, 2000); this.tell("events"); }
  alarms() { return this.status?.alarms ?? []; }
  statusUtc() { return this.status ? Date.parse(this.status.utc) / 1000 : NaN; }
  name(kind, code) { return this.site?.names[kind][code] ?? "–"; }
  may(role) { const rank = ["none", "viewer", "operator", "engineer"]; return rank.indexOf(this.me.role) >= rank.indexOf(role); }
}

export const finite = (x) => (Number.isFinite(x) ? x : null);
export const num = (x, digits = 1) => (Number.isFinite(x) ? (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits) : "–");
export const time = (utc) => (utc ? new Date(1000 * utc).toISOString().slice(11, 19) : "–");
export const day = (utc) => (utc ? new Date(1000 * utc).toISOString().slice(0, 19).replace("T", " ") : "–");
// Of today only the time, else the day, too: an alarm may be there since yesterday.
export const since = (utc, now) => (Number.isFinite(utc) && Number.isFinite(now) && day(utc).slice(0, 10) !== day(now).slice(0, 10) ? day(utc) : time(utc));
// A key of the daemon as people read it, and its unit: `given_up_mwh` is "given up", "MWh".
const UNIT = /_(mw|mwh|mw_per_min|s|hz|pu|pct|us|ms|eur|eur_per_mwh)$/;
const UNIT_WORDS = { mw: "MW", mwh: "MWh", mw_per_min: "MW/min", s: "s", hz: "Hz", pu: "pu", pct: "%", us: "µs", ms: "ms", eur: "€", eur_per_mwh: "€/MWh" };
export const words = (key) => key.replace(UNIT, "").replaceAll("_", " ");
export const unitOf = (key) => (UNIT.test(key) ? UNIT_WORDS[UNIT.exec(key)[1]] : "");
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
export const $ = (id) => document.getElementById(id);
