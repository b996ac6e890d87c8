// Orders: first what would happen, then who confirms it and why.
import { $, element, day } from "./store.js";
import { call } from "./link.js";

const WITH_EXPIRY = ["hold", "lock_out", "bench", "mode", "capacity", "accept_plan"];

export class Orders {
  constructor(store, toast) {
    this.store = store; this.toast = toast; this.order = null; this.offer = null;
    document.querySelectorAll("[data-order]").forEach((b) => b.addEventListener("click", () => this.start({ kind: b.dataset.order })));
    document.querySelectorAll("[data-mode]").forEach((b) => b.addEventListener("click", () => this.start({ kind: "mode", mode: b.dataset.mode })));
    $("capacity-form").addEventListener("submit", (e) => { e.preventDefault(); this.start({ kind: "capacity", up_mw: Number($("cap-up").value), down_mw: Number($("cap-down").value) }); });
    $("units-form").addEventListener("submit", (e) => { e.preventDefault(); this.fromForm(); });
    $("confirm-form").addEventListener("submit", (e) => { e.preventDefault(); this.give(); });
    $("confirm-cancel").addEventListener("click", () => $("confirm").close());
    for (const id of ["confirm-mw", "confirm-expiry"]) $(id).addEventListener("change", () => this.preview());
  }

  fromForm() {
    const groups = new Set(this.store.site.groups.id), names = $("order-units").value.split(/[\s,]+/).filter(Boolean), mw = $("order-mw").value;
    const order = { kind: $("order-kind").value, units: names.filter((n) => !groups.has(n)), groups: names.filter((n) => groups.has(n)) };
    if (order.kind === "hold" && mw !== "") order.p_mw = Number(mw);
    this.start(order);
  }
  aboutUnits(kind, units) { this.start({ kind, units }); }

  async start(order) {
    this.order = order; this.offer = null;
    $("confirm-title").textContent = `Confirm: ${order.kind.replace("_", " ")}`;
    $("confirm-why").value = ""; $("confirm-expiry").value = ""; $("confirm-mw").value = order.p_mw ?? "";
    $("confirm-mw-row").hidden = order.kind !== "hold"; $("confirm-expiry-row").hidden = !WITH_EXPIRY.includes(order.kind) || order.mode === "AUTO";
    $("confirm").showModal(); $("confirm-why").focus();
    await this.preview();
  }

  async preview() {
    const order = { ...this.order }, mw = $("confirm-mw").value, expiry = $("confirm-expiry").value;
    if (order.kind === "hold") { delete order.p_mw; if (mw !== "") order.p_mw = Number(mw); }
    if (expiry && !$("confirm-expiry-row").hidden) order.expires_in_s = Number(expiry);
    $("confirm-error").textContent = ""; $("confirm-give").disabled = true;
    try {
      this.offer = await call("POST", "/api/orders/preview", order);
      this.body(this.offer); $("confirm-give").disabled = false;
    } catch (error) { this.offer = null; $("confirm-body").replaceChildren(element("p", {}, "This order cannot be given.")); $("confirm-error").textContent = error.message; }
  }
  body(offer) { $("confirm-body").replaceChildren(element("p", {}, element("b", {}, offer.words)), element("p", {}, "What will happen:"), element("ul", { id: "effect" }, ...offer.effect_words.map((line) => element("li", {}, line)))); }

  async give() {
    if (!this.offer) return;
    try {
      const given = await call("POST", "/api/orders", { confirmation: this.offer.confirmation, why: $("confirm-why").value });
      $("confirm").close(); this.toast(`Order ${given.number} given: ${given.order}`);
    } catch (error) { $("confirm-error").textContent = error.message; await this.preview().catch(() => {}); $("confirm-error").textContent ||= error.message; }
  }

  draw() {
    const can = this.store.may("operator");
    $("order-hint").textContent = can ? `You are ${this.store.me.name}. Each order shows what it will do before it is given.` : this.store.me.name ? `Orders are for operators: you are ${this.store.me.name}, ${this.store.me.role}. Log out, and in as an operator.` : this.store.me.users ? "Orders are for operators: log in." : "Nobody can give orders here: no users are configured (api.users_file).";
    document.querySelectorAll("#page-orders button, #page-orders form input, #page-orders form select").forEach((b) => { b.disabled = !can; });
    const plan = this.store.status?.plan;
    if (plan) { $("cap-up").placeholder = String(plan.regulation_capacity_up_mw); $("cap-down").placeholder = String(plan.regulation_capacity_down_mw); }
    document.querySelectorAll("[data-mode]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.mode === this.store.status?.order)));
    const key = JSON.stringify([this.store.orders, this.store.plans, can]);
    if (this.drawn === key) return; // a button must not vanish under a finger
    this.drawn = key;
    const rows = this.store.orders.map((o) => element("tr", {}, element("td", { class: "n" }, String(o.number)), element("td", {}, o.order), element("td", {}, `${o.who}: ${o.why}`), element("td", {}, o.until_utc_s ? `until ${day(o.until_utc_s)}` : "until ended"), element("td", {}, element("button", { type: "button", disabled: !can, "data-end": o.number, "aria-label": `End order ${o.number}`, onclick: () => this.start({ kind: "cancel", number: o.number }) }, "End…"))));
    $("in-force").replaceChildren(rows.length ? element("table", {}, element("thead", {}, element("tr", {}, ...["no.", "order", "by", "ends", ""].map((t) => (t ? element("th", { scope: "col" }, t) : element("td"))))), element("tbody", {}, ...rows)) : element("p", { class: "none" }, "No order is in force."));
    $("plans").replaceChildren(...(this.store.plans.length ? this.store.plans.map((p) => element("div", { class: "line" }, element("span", {}, `${p.number}: ${p.plan} by ${p.who}: ${p.why}`), element("button", { type: "button", disabled: !can, onclick: () => this.start({ kind: "accept_plan", plan: p.number }) }, "Accept…"))) : [element("p", { class: "none" }, "No plan waits.")]));
  }
}
