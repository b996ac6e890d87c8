// The fleet: a tree, and a table of which only the rows in sight exist.
import { $, element, num } from "./store.js";

const ROW = 28, SPARE = 6, LOCKED = 8, SOC_UNKNOWN = 255;
const COLUMNS = [
  { id: "pick", label: "", wide: false }, { id: "id", label: "unit" }, { id: "kind", label: "kind", wide: true }, { id: "group", label: "group", wide: true },
  { id: "setpoint", label: "set MW", number: true }, { id: "measured", label: "is MW", number: true }, { id: "off", label: "off MW", number: true, wide: true },
  { id: "soc", label: "SoC %", number: true, wide: true }, { id: "span", label: "in its range", wide: true, title: "grey: 0 MW, blue: setpoint, orange: measured" }, { id: "state", label: "state" },
];

export class Fleet {
  constructor(store, onPick) {
    this.store = store; this.onPick = onPick; this.sort = "id"; this.down = false; this.order = new Uint32Array(0); this.at = 0;
    this.selected = new Set(); this.pool = []; this.branch = null; this.sorted = 0;
    this.box = $("rows"); this.space = $("rows-space");
    this.box.addEventListener("scroll", () => this.paint(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.paint()).observe(this.box);
    for (const id of ["filter", "kind", "only-out"]) $(id).addEventListener("input", () => this.arrange());
  }

  setSite() {
    const { units } = this.store.site;
    this.n = units.id.length;
    this.groupName = units.group.map((g) => (g < 0 ? "" : this.store.site.groups.id[g]));
    this.text = units.id.map((id, i) => `${id} ${units.kind[i]} ${this.groupName[i]} ${units.link[i]}`.toLowerCase());
    const kinds = [...new Set(units.kind)].sort();
    $("kind").replaceChildren(element("option", { value: "" }, "all"), ...kinds.map((kind) => element("option", { value: kind }, kind)));
    this.head(); this.makeTree(kinds);
    this.selected.clear(); this.arrange(); this.tellSelected();
  }

  head() {
    $("grid-head").replaceChildren(...COLUMNS.map((c) => {
      const cell = element("div", { role: "columnheader", class: `${c.number ? "num" : ""}${c.wide ? " wide-only" : ""}`, "aria-sort": this.sort === c.id ? (this.down ? "descending" : "ascending") : "none" });
      if (c.id === "pick") cell.append(element("input", { type: "checkbox", "aria-label": "Select all shown", id: "pick-all", onchange: (e) => this.pickAll(e.target.checked) }));
      else cell.append(element("button", { type: "button", "data-sort": c.id, title: c.title, onclick: () => this.by(c.id) }, `${c.label}${this.sort === c.id ? (this.down ? " ▼" : " ▲") : ""}`));
      return cell;
    }));
  }
  by(id) { this.down = this.sort === id ? !this.down : false; this.sort = id; this.head(); this.arrange(); document.querySelector(`[data-sort="${id}"]`).focus(); }

  state(i) {
    const u = this.store.units;
    if (!u) return "";
    if (u.flags[i] & LOCKED && u.reason[i] === 0) return "HELD";
    const out = u.reason[i], held = u.held[i];
    return out ? this.store.name("reason", out) : held ? `at ${this.store.name("reason", held)}` : "free";
  }

  value(i) {
    const u = this.store.units, s = this.store.site.units;
    switch (this.sort) {
      case "kind": return s.kind[i]; case "group": return this.groupName[i]; case "state": return this.state(i);
      case "setpoint": return u?.setpoint[i] ?? NaN; case "measured": return u?.measured[i] ?? NaN;
      case "off": return u ? Math.abs(u.measured[i] - u.setpoint[i]) : NaN; case "soc": return u && u.soc[i] !== SOC_UNKNOWN ? u.soc[i] : NaN;
      case "span": return u ? (u.setpoint[i] - s.p_min_mw[i]) / (s.p_max_mw[i] - s.p_min_mw[i]) : NaN;
      default: return s.id[i];
    }
  }

  arrange() {
    if (!this.store.site) return;
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean), kind = $("kind").value, onlyOut = $("only-out").checked;
    const u = this.store.units, s = this.store.site.units, kept = [];
    for (let i = 0; i < this.n; i++) {
      if (kind && s.kind[i] !== kind) continue;
      if (this.branch && !this.branch.has(i)) continue;
      if (onlyOut && !(u && (u.reason[i] || u.flags[i] & LOCKED))) continue;
      if (words.length && !words.every((w) => this.text[i].includes(w) || this.state(i).toLowerCase().includes(w))) continue;
      kept.push(i);
    }
    const keys = new Array(this.n), sign = this.down ? -1 : 1;
    for (const i of kept) keys[i] = this.value(i);
    kept.sort((a, b) => {
      const x = keys[a], y = keys[b];
      if (typeof x === "string") return sign * (x < y ? -1 : x > y ? 1 : 0) || a - b;
      if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1; // what is not known stands last
      return Number.isNaN(y) ? -1 : sign * (x - y) || a - b;
    });
    this.order = kept; this.at = Math.min(this.at, Math.max(0, kept.length - 1));
    this.space.style.height = `${kept.length * ROW}px`;
    $("grid").setAttribute("aria-rowcount", kept.length + 1);
    $("shown").textContent = `${kept.length} of ${this.n} units`;
    this.paint();
  }

  // Each frame: numbers change in place; the order only once a second, and only where it depends on them.
  frame() {
    if ($("page-fleet").hidden) return;
    const live = !["id", "kind", "group"].includes(this.sort) || $("only-out").checked, now = performance.now();
    if (live && now - this.sorted > 950) { this.sorted = now; this.arrange(); } else this.paint();
    this.paintTree();
  }

  paint() {
    if (!this.store.site || $("page-fleet").hidden) return;
    const top = this.box.scrollTop, count = Math.ceil(this.box.clientHeight / ROW) + 2 * SPARE;
    const first = Math.max(0, Math.floor(top / ROW) - SPARE);
    while (this.pool.length < count) this.pool.push(this.makeRow());
    this.pool.forEach((row, k) => {
      const place = first + (((k - first) % this.pool.length) + this.pool.length) % this.pool.length;
      if (place >= this.order.length || place >= first + count) { row.box.hidden = true; return; }
      this.fill(row, place);
    });
  }

  makeRow() {
    const cells = {}, box = element("div", { class: "row", role: "row" });
    for (const c of COLUMNS) {
      const cell = element("div", { role: "gridcell", class: `${c.number ? "num " : ""}${c.wide ? "wide-only " : ""}${c.id}` });
      cells[c.id] = cell; box.append(cell);
    }
    const pick = element("input", { type: "checkbox", tabindex: "-1" });
    cells.pick.append(pick);
    const lo = element("i"), set = element("i", { class: "set" }), meas = element("i", { class: "meas" });
    cells.span.append(lo, set, meas);
    const row = { box, cells, pick, set, meas, zero: lo, unit: -1, place: -1 };
    pick.addEventListener("change", () => this.toggle(row.unit));
    box.addEventListener("click", (event) => { this.at = row.place; if (event.target !== pick) this.toggle(row.unit, event.ctrlKey || event.metaKey || event.shiftKey); this.paint(); });
    box.addEventListener("dblclick", () => this.onPick("why", [row.unit]));
    this.box.append(box);
    return row;
  }

  fill(row, place) {
    const i = this.order[place], u = this.store.units, s = this.store.site.units, { cells } = row;
    row.box.hidden = false; row.place = place;
    if (row.y !== place) { row.y = place; row.box.style.transform = `translateY(${place * ROW}px)`; row.box.setAttribute("aria-rowindex", place + 2); }
    if (row.unit !== i) {
      row.unit = i; row.box.dataset.unit = s.id[i]; row.pick.setAttribute("aria-label", `Select ${s.id[i]}`);
      text(cells.id, s.id[i]); text(cells.kind, s.kind[i]); text(cells.group, this.groupName[i] || "–");
      this.mark(row.zero, 0, i);
    }
    const chosen = this.selected.has(i);
    if (row.chosen !== chosen) { row.chosen = chosen; row.pick.checked = chosen; row.box.setAttribute("aria-selected", chosen); }
    const out = u ? u.reason[i] : 0, locked = u ? u.flags[i] & LOCKED : 0;
    const look = `row${place === this.at ? " at" : ""}${locked ? " held" : out ? " out" : ""}`;
    if (row.look !== look) { row.look = look; row.box.className = look; }
    if (!u) return;
    text(cells.setpoint, num(u.setpoint[i], 3)); text(cells.measured, num(u.measured[i], 3)); text(cells.off, num(u.measured[i] - u.setpoint[i], 3));
    text(cells.soc, u.soc[i] === SOC_UNKNOWN ? "–" : (u.soc[i] / 2.5).toFixed(1)); text(cells.state, this.state(i));
    this.mark(row.set, u.setpoint[i], i); this.mark(row.meas, u.measured[i], i);
  }
  mark(node, mw, i) {
    const s = this.store.site.units, part = (mw - s.p_min_mw[i]) / (s.p_max_mw[i] - s.p_min_mw[i]);
    const left = Number.isFinite(part) && part > -0.05 && part < 1.05 ? `${(100 * Math.min(1, Math.max(0, part))).toFixed(1)}%` : "-20px";
    if (node.l !== left) { node.l = left; node.style.left = left; }
  }

  toggle(i, more = true) {
    if (!more) { const only = this.selected.has(i) && this.selected.size === 1; this.selected.clear(); if (!only) this.selected.add(i); }
    else if (!this.selected.delete(i)) this.selected.add(i);
    this.tellSelected(); this.paint();
  }
  pickAll(yes) { this.selected = new Set(yes ? this.order : []); this.tellSelected(); this.paint(); }
  names() { return [...this.selected].sort((a, b) => a - b).map((i) => this.store.site.units.id[i]); }
  tellSelected() {
    $("selected").textContent = this.selected.size ? `${this.selected.size} selected` : "none selected";
    const can = this.store.may("operator");
    document.querySelectorAll("[data-act]").forEach((b) => {
      const why = b.dataset.act === "why";
      b.disabled = why ? this.selected.size !== 1 : !this.selected.size || !can;
      b.title = why ? (b.disabled ? "select one unit" : "") : can ? "" : "for an operator: log in";
    });
  }

  key(event) {
    const page = Math.floor(this.box.clientHeight / ROW), moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
    if (event.target !== this.box) return;
    if (event.key in moves) {
      this.at = Math.min(this.order.length - 1, Math.max(0, this.at + moves[event.key]));
      const y = this.at * ROW;
      if (y < this.box.scrollTop) this.box.scrollTop = y;
      if (y + ROW > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = y + ROW - this.box.clientHeight;
      this.paint();
    } else if (event.key === " ") this.toggle(this.order[this.at]);
    else if (event.key === "Enter") this.onPick("why", [this.order[this.at]]);
    else return;
    event.preventDefault();
  }

  // -- the tree: groups within groups, then kinds -------------------------------------------------
  makeTree(kinds) {
    const { groups, units } = this.store.site, nodes = [{ label: "whole plant", level: 1, units: null }];
    const own = groups.id.map(() => []), parts = groups.id.map(() => []); // once through, however many groups
    units.group.forEach((g, i) => { if (g >= 0) own[g].push(i); });
    groups.parent.forEach((p, g) => { if (p >= 0) parts[p].push(g); });
    const add = (g, level) => {
      const node = { label: groups.id[g], level, units: new Set(own[g]) };
      nodes.push(node);
      for (const part of parts[g]) for (const i of add(part, level + 1)) node.units.add(i);
      return node.units;
    };
    groups.parent.forEach((p, g) => { if (p < 0) add(g, 2); });
    const ofKind = new Map(kinds.map((kind) => [kind, new Set()]));
    units.kind.forEach((kind, i) => ofKind.get(kind).add(i));
    for (const kind of kinds) nodes.push({ label: kind, level: 2, units: ofKind.get(kind) });
    this.nodes = nodes;
    $("tree").replaceChildren(...nodes.map((node, k) => {
      node.mw = element("span", { class: "num" });
      node.box = element("div", { class: `node l${Math.min(3, node.level - 1)}`, role: "treeitem", "aria-level": node.level, "aria-selected": k === 0, tabindex: k ? -1 : 0 }, element("span", {}, node.label), node.mw);
      node.box.addEventListener("click", () => this.take(k));
      node.box.addEventListener("keydown", (event) => {
        const to = { ArrowDown: k + 1, ArrowUp: k - 1, Home: 0, End: nodes.length - 1 }[event.key];
        if (to !== undefined) { nodes[to]?.box.focus(); event.preventDefault(); }
        if (event.key === "Enter" || event.key === " ") { this.take(k); event.preventDefault(); }
      });
      return node.box;
    }));
    this.branch = null;
  }
  take(k) {
    this.nodes.forEach((node, j) => { node.box.setAttribute("aria-selected", j === k); node.box.tabIndex = j === k ? 0 : -1; });
    this.branch = this.nodes[k].units; this.arrange();
  }
  paintTree() {
    const u = this.store.units, now = performance.now();
    if (!u || now - (this.treeAt ?? -Infinity) < 900) return;
    this.treeAt = now;
    for (const node of this.nodes ?? []) {
      let sum = 0, read = 0, count = 0;
      for (const i of node.units ?? Array(this.n).keys()) {
        const isRead = Number.isFinite(u.measured[i]);
        sum += isRead ? u.measured[i] : u.setpoint[i];
        read += isRead; count++;
      }
      // Predictions alone are no measurement; nor is a sum with something unknown in it.
      text(node.mw, read ? `${read < count ? "≈ " : ""}${num(sum, 1)}` : "–");
      node.box.title = read < count ? `${count - read} of ${count} not read: counted with their setpoints` : "";
    }
  }
}

function text(node, value) { if (node.t !== value) { node.t = value; node.textContent = value; } }
