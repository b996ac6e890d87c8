// Tiles, score, plan, what needs attention.
import { $, element, num, since, unitOf, words } from "./store.js";

const ACCURACY_S = 900;

export class Overview {
  constructor(store) { this.store = store; this.tiles = {}; }

  draw() {
    if ($("page-overview").hidden) return;
    const n = this.store.now, error = n.measured_mw - n.request_mw;
    this.tile("request", "asked", num(n.request_mw), "MW");
    this.tile("delivered", "delivered", num(n.measured_mw), "MW");
    this.tile("error", "error", num(error, 2), "MW", Math.abs(error) > 0.05 * Math.max(1, n.capacity_up_mw));
    this.tile("accuracy", "accuracy, 15 min", num(this.accuracy(), 2), "%");
    this.tile("unserved", "not served", num(n.unserved_mw, 2), "MW", Math.abs(n.unserved_mw) > 0.01 * Math.max(1, n.capacity_up_mw));
    this.tile("agc", "AGC", num(n.agc_pu, 3), `pu, ${num(n.agc_age_s, 1)} s old`, !(n.agc_age_s < 10));
    this.tile("frequency", "frequency", num(n.freq_hz, 3), "Hz");
    this.tile("room", "room 15 min", `+${num(n.promise_up_mw_2, 0)} −${num(n.promise_down_mw_2, 0)}`, "MW", n.award_short > 0);
    this.tile("units", "units in the split", `${num(n.units_online, 0)}/${this.store.site?.units.id.length ?? "–"}`, "");
    this.tile("tick", "tick", num(n.tick_us / 1000, 2), `ms, ${num(n.late_ms, 1)} ms late`);
  }

  tile(id, label, value, unit, bad = false) {
    if (!this.tiles[id]) {
      const b = element("b"), span = element("span");
      this.tiles[id] = { b, span, box: element("div", { class: "tile" }, b, span) };
      $("tiles").append(this.tiles[id].box);
    }
    const t = this.tiles[id];
    t.box.className = `tile ${id}${bad ? " bad" : ""}`;
    t.b.textContent = (bad ? "▲ " : "") + value;
    t.span.textContent = `${label} ${unit}`;
  }

  // 100·(1 − mean|error| / capacity), with no credit for latency, over what this page has.
  accuracy() {
    const h = this.store.history, end = h.utc_s.at(-1);
    let sum = 0, count = 0, k = h.utc_s.length - 1;
    for (; k >= 0 && h.utc_s[k] > end - ACCURACY_S; k--) {
      if (h.measured_mw[k] === null || h.request_mw[k] === null) continue;
      sum += Math.abs(h.measured_mw[k] - h.request_mw[k]); count++;
    }
    const capacity = this.store.now.capacity_up_mw;
    return count && capacity > 0 ? 100 * (1 - sum / count / capacity) : NaN;
  }

  drawStatus() {
    const status = this.store.status;
    if (!status) return;
    const products = status.products ?? [];
    $("score").replaceChildren(...(products.length ? products.map(product) : [element("p", { class: "none" }, "No product is scored: none stands in plan.products.")]));
    const p = status.plan, io = status.io;
    $("plan").replaceChildren(table([
      ["basepoint", `${num(p.basepoint_mw, 2)} MW`], ["regulation sold", `+${num(p.regulation_capacity_up_mw, 1)} / −${num(p.regulation_capacity_down_mw, 1)} MW`],
      ["order", status.order], ["orders in force", String(this.store.orders.length)], ["plans to accept", String(this.store.plans.length)],
      ["writes, failed", `${io.writes}, ${io.failed_writes}`], ["missed ticks", String(status.timing.missed_ticks)], ["journal", status.journal.error || (status.journal.path ? `${status.journal.ticks} ticks` : "off")],
    ]));
    const rows = this.store.alarms().filter((a) => ["unacknowledged", "acknowledged", "returned"].includes(a.state)).slice(0, 8);
    $("attention").replaceChildren(...(rows.length ? rows.map((a) => element("li", { class: `p-${a.priority.toLowerCase()}` }, `${mark(a.priority)} ${since(this.store.statusUtc() - a.since_s, this.store.statusUtc())} ${a.title}${a.subject ? `: ${a.subject}` : ""}`)) : [element("li", { class: "none" }, "Nothing.")]));
  }
}

export const mark = (priority) => ({ CRITICAL: "⬛ critical", HIGH: "▲ high", MEDIUM: "◆ medium", LOW: "● low" })[priority] ?? priority;
export function table(rows) { return element("table", {}, element("tbody", {}, ...rows.map(([a, b]) => element("tr", {}, element("th", { scope: "row" }, a), element("td", { class: "n" }, b))))); }
function product(p) {
  const rows = p.figures.map((f) => [words(f.name), `${num(f.so_far, 3)} → ${num(f.ends_with, 3)} ${unitOf(f.name)}`]);
  return element("div", {}, element("h3", {}, p.market), p.error ? element("p", { class: "none" }, p.error) : table([["", "so far → if it stays so"], ...rows]));
}
