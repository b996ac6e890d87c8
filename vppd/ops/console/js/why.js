// Why this setpoint: the three gates of one unit, as `vppd explain` tells it.
import { $, element, num } from "./store.js";
import { call } from "./link.js";

const GATES = ["physics", "market", "operations"]; // as /api/units/…/why names them

export class Why {
  constructor() { this.unit = null; $("why-again").addEventListener("click", () => this.ask()); }
  async show(unit) { this.unit = unit; $("why-title").textContent = `Why this setpoint: ${unit}`; $("why-body").replaceChildren("asking…"); if (!$("why").open) $("why").showModal(); await this.ask(); }
  async ask() {
    try { $("why-body").replaceChildren(...render(await call("GET", `/api/units/${encodeURIComponent(this.unit)}/why`))); }
    catch (error) { $("why-body").replaceChildren(element("p", { class: "problem" }, String(error.message))); }
  }
}

function render(data) {
  const unit = data.units[0], sides = [["no less than", unit.lower], ["no more than", unit.upper]];
  const gates = GATES.map((gate) => {
    const holds = unit.gate === gate && unit.held_by !== "NONE";
    const lines = sides.filter(([, side]) => side.gate === gate).map(([word, side]) => element("div", { class: "mono" }, `${word} ${num(side.limit_mw, 3)} MW: ${side.reason}`));
    const body = lines.length ? lines : [element("div", { class: "none" }, "sets no limit in this tick")];
    return element("div", { class: `gate ${holds ? "holds" : "open"}`, "data-gate": gate }, element("h3", {}, gate), element("b", {}, holds ? `■ holds it: ${unit.held_by}` : "□ open"), ...body);
  });
  const kept = unit.kept_mw === null ? "" : Math.abs(unit.kept_mw) < 5e-4 ? "It got its share." : `Its limits hold it ${num(Math.abs(unit.kept_mw), 3)} MW ${unit.kept_mw < 0 ? "above" : "below"} its share.`;
  return [
    element("p", {}, `Tick ${data.tick.number}, mode ${data.tick.mode}: setpoint ${num(unit.setpoint_mw, 3)} MW, share ${num(unit.would_mw, 3)} MW. ${kept}`),
    element("div", { class: "gates" }, ...gates), element("pre", { tabindex: "0", "aria-label": "The whole explanation" }, data.text),
  ];
}
