// Charts of the overview. uPlot draws on a canvas: an hour of seconds in a millisecond.
import uPlot from "../vendor/uplot.js";
import { $, finite, num, time } from "./store.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const axis = () => ({ stroke: css("--dim"), grid: { stroke: "#222d38", width: 1 }, ticks: { stroke: "#222d38" }, font: "12px system-ui" });

export class Charts {
  constructor(store) {
    this.store = store; this.window = 300; this.zoomed = false; this.made = {};
    document.querySelectorAll("[data-window]").forEach((button) => button.addEventListener("click", () => this.choose(Number(button.dataset.window))));
    new ResizeObserver(() => this.resize()).observe($("page-overview"));
    this.mark();
  }
  choose(seconds) { this.window = seconds; this.zoomed = false; this.mark(); this.draw(); }
  mark() { document.querySelectorAll("[data-window]").forEach((b) => b.setAttribute("aria-pressed", String(Number(b.dataset.window) === this.window))); }

  make() {
    const line = (label, color, more = {}) => ({ label, stroke: css(color), width: 2, points: { show: false }, spanGaps: false, ...more });
    const overTime = (id, series, more = {}) => {
      const box = $(id);
      this.made[id] = new uPlot({
        width: Math.max(200, box.clientWidth), height: Math.max(120, box.clientHeight), legend: { show: false }, tzDate: (t) => uPlot.tzDate(new Date(1000 * t), "Etc/UTC"),
        cursor: { drag: { x: true, y: false }, sync: { key: "time" } }, scales: { x: { time: true }, ...more.scales },
        axes: [{ ...axis(), space: (plot, _axis, _min, _max, wide) => (wide > 600 ? 64 : 48), size: 30, values: (_, at) => at.map((t) => (at[1] - at[0] < 60 ? time(t) : time(t).slice(0, 5))) }, { ...axis(), size: 56 }], series: [{}, ...series],
        hooks: { setSelect: [() => { this.zoomed = true; }], ...more.hooks },
      }, [[]].concat(series.map(() => [])), box);
      box.addEventListener("dblclick", () => { this.zoomed = false; this.draw(); });
    };
    const step = uPlot.paths.stepped({ align: 1 });
    overTime("plot-power", [line("basepoint", "--basepoint", { dash: [2, 4], width: 1 }), line("asked", "--request", { paths: step }), line("delivered", "--delivered")]);
    overTime("plot-error", [line("error", "--error")]);
    overTime("plot-frequency", [line("frequency", "--request")]);
    this.makeFan(line);
  }

  makeFan(line) {
    const box = $("plot-fan");
    this.made["plot-fan"] = new uPlot({
      width: Math.max(200, box.clientWidth), height: Math.max(120, box.clientHeight), legend: { show: false }, cursor: { show: false },
      scales: { x: { time: false } }, axes: [{ ...axis(), size: 30, values: (_, values) => values.map((v) => num(v, 0)) }, { ...axis(), size: 56 }],
      series: [{}, line("able up", "--able"), line("firm up", "--firm"), line("firm down", "--firm"), line("able down", "--able"), line("sold up", "--sold", { dash: [6, 4] }), line("sold down", "--sold", { dash: [6, 4] })],
      bands: [{ series: [1, 2], fill: css("--able") + "77" }, { series: [2, 3], fill: css("--firm") + "77" }, { series: [3, 4], fill: css("--able") + "77" }],
    }, [[], [], [], [], [], [], []], box);
  }

  resize() {
    for (const [id, plot] of Object.entries(this.made)) {
      const box = $(id);
      if (box.clientWidth > 0) plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }
  }

  draw() {
    if ($("page-overview").hidden) return;
    if (!this.made["plot-power"]) this.make();
    const h = this.store.history, end = h.utc_s.at(-1);
    if (end === undefined) return;
    const t = h.utc_s, error = h.measured_mw.map((m, k) => (m === null || h.request_mw[k] === null ? null : m - h.request_mw[k]));
    this.set("plot-power", [t, h.basepoint_mw, h.request_mw, h.measured_mw], end);
    this.set("plot-error", [t, error], end);
    const heard = h.freq_hz.some((f) => f !== null);
    $("no-frequency").hidden = heard; $("plot-frequency").hidden = !heard;
    if (heard) this.set("plot-frequency", [t, h.freq_hz], end);
    this.drawFan();
  }

  set(id, data, end) {
    const plot = this.made[id];
    plot.setData(data, false);
    if (!this.zoomed) plot.setScale("x", { min: end - this.window, max: end });
    else plot.redraw(true);
  }

  drawFan() {
    const now = this.store.now, at = (this.store.status?.promise ?? []).map((p) => p.s / 60);
    if (at.length !== 4) return;
    const column = (name, sign) => [0, 1, 2, 3].map((k) => finite(sign * now[`promise_${name}_mw_${k}`]));
    this.made["plot-fan"].setData([at, column("up", 1), column("firm_up", 1), column("firm_down", -1), column("down", -1), at.map(() => finite(now.capacity_up_mw)), at.map(() => finite(-now.capacity_down_mw))]);
  }
}
