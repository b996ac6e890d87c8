// The way to the daemon: requests, and a WebSocket that comes back by itself.

export async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) { options.body = JSON.stringify(body); options.headers["content-type"] = "application/json"; }
  const answer = await fetch(path, options);
  if (answer.status === 204) return null;
  const data = await answer.json().catch(() => ({ detail: answer.statusText }));
  if (!answer.ok) throw new Error(typeof data.detail === "string" ? data.detail : "not accepted: " + JSON.stringify(data.detail));
  return data;
}

const FIRST_MS = 300, LONGEST_MS = 4000;

export class Live {
  constructor(store, onState) { this.store = store; this.onState = onState; this.wait = FIRST_MS; this.units = true; this.socket = null; }

  async start() {
    this.onState("connecting");
    try {
      const answer = fetch("/api/site"); // beside the other: what it is about is large
      answer.catch(() => {});
      this.store.me = await call("GET", "/api/session");
      this.store.tell("me");
      if (this.store.me.role === "none") { this.onState("login"); return; }
      this.open();
      const site = await answer;
      if (!site.ok) throw new Error(site.statusText);
      const tag = site.headers.get("etag");
      if (tag !== this.tag) { this.store.setSite(await site.json()); this.tag = tag; }
      this.store.takeHistory(await call("GET", "/api/history?seconds=3600"));
      const before = await call("GET", "/api/events?limit=500"), newest = before[0]?.utc_s ?? 0;
      this.store.events = [...this.store.events.filter((row) => row.utc_s > newest), ...before];
      this.store.tell("events");
    } catch { this.again(); }
  }

  open() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => { this.wait = FIRST_MS; this.onState("live"); this.want(this.units); };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) { this.store.takeFrame(data); return; }
      const message = JSON.parse(data);
      if (message.type === "status") this.store.takeStatus(message.data);
      if (message.type === "events") this.store.takeEvents(message.data);
    };
    socket.onclose = () => { if (this.socket === socket) { this.socket = null; this.again(); } };
  }

  again() {
    this.onState("lost");
    const old = this.socket; this.socket = null; old?.close(); // half a start leaves none behind
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), this.wait);
    this.wait = Math.min(LONGEST_MS, 1.6 * this.wait);
  }

  restart() { clearTimeout(this.timer); const old = this.socket; this.socket = null; old?.close(); this.wait = FIRST_MS; this.start(); }

  // Units only where somebody looks at them.
  want(units) {
    this.units = units;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(units ? "units" : "plant");
  }
}
