// The visitor's side of the chat service: session, stream, and a queue of what is to be said. Knows nothing of the
// page's looks.
//
// What it promises: lines are shown once and in the order of their numbers, whatever breaks; what was typed is sent
// once, in order, across reloads, because each message carries an id of its own making and waits until the service
// has it.

import { follow } from "./stream.js";

const RETRY_AT_MOST = 30_000;
const TYPING_EVERY = 4_000;

export class Client {
  constructor({ base, locale, memory }) {
    this.base = base;
    this.locale = locale;
    this.identity = null;
    this.lines = []; // in order of seq
    this.slow = false; // the service asked to wait with what is to be said
    this.config = null;
    this.last = 0;
    this.read = 0;
    this.ended = false;
    this.state = "idle"; // connecting, live, offline
    this.older = null;
    this.live = false; // whether new lines are news, or history
    this.#memory = memory;
    const kept = memory.read();
    this.#token = kept.token;
    this.known = Boolean(kept.token);
    this.wasOpen = Boolean(kept.open && kept.token);
    this.#queue = (kept.queue || []).map((item) => ({ ...item, status: "sending" }));
    for (const name of ["online", "focus"]) addEventListener(name, () => this.#wake());
    document.addEventListener("visibilitychange", () => this.#wake());
    addEventListener("offline", () => this.#stream?.abort());
    // An open stream would keep the page out of the back-forward cache.
    addEventListener("pagehide", () => this.#shelve(true));
    addEventListener("pageshow", () => this.#shelve(false));
  }

  #memory;
  #token;
  // What was said, in order, until it was both taken ("sent") and shown as a line of the stream, whichever comes first.
  #queue = [];
  #starting = null;
  #stream = null;
  #pumping = false;
  #wakers = new Set();
  #listeners = new Map();
  #shelved = false;
  #typedAt = 0;
  #marking = null;
  #told = { read: 0, delivered: 0 };
  #epoch = 0; // raised by signing out: whatever belongs to before is of no use

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) || []), listener]);
  }

  #tell(name, detail) {
    for (const listener of this.#listeners.get(name) || []) listener(detail);
  }

  remember(changes) {
    if (this.#token || changes.token) this.#memory.write(changes);
  }

  // ---------------------------------------------------------------------------------------------- the session

  // Begin or go on; may be called again with answers of the form, or after signing in. One at a time.
  start(prechat) {
    this.#starting ??= this.#start(prechat, this.#epoch).finally(() => (this.#starting = null));
    return this.#starting;
  }

  async #start(prechat, epoch) {
    const first = this.state === "idle";
    if (first) this.#become("connecting");
    for (let tries = 0; epoch === this.#epoch; tries++) {
      const answer = await this.#session(prechat).catch(() => null);
      if (answer?.ok) {
        this.#begun(await answer.json());
        if (first) this.#listen(epoch);
        this.#pump();
        return true;
      }
      if (answer && answer.status < 500 && answer.status !== 429) {
        this.#become("refused");
        return false;
      }
      this.#become("offline");
      await this.#pause(tries, answer);
    }
    return false;
  }

  async #session(prechat) {
    const body = { locale: this.locale, capabilities: ["typing", "read", "file"], page: pageNow() };
    if (this.#token) body.visitor_token = this.#token;
    if (prechat) body.prechat = prechat;
    const proof = this.identity && (await this.identity());
    if (proof) body.identity_jwt = proof;
    return this.#fetch("/session", { method: "POST", body: JSON.stringify(body) }, false);
  }

  #begun(answer) {
    if (this.visitorId && this.visitorId !== answer.visitor_id) this.#reset();
    this.visitorId = answer.visitor_id;
    this.#token = answer.visitor_token;
    this.known = true;
    this.config = answer.config;
    this.read = this.#told.read = Math.max(this.read, answer.read_seq);
    this.remember({ token: this.#token });
    this.#tell("config");
  }

  // Signing in: the same visitor, now with a name that is proven, and perhaps a longer history.
  async identify(identity) {
    this.identity = identity;
    if (this.known || this.state !== "idle") await this.#again();
  }

  async signOut() {
    const leaving = this.#token && this.#fetch("/session", { method: "DELETE" }, false).catch(() => null);
    this.#epoch++;
    this.#memory.forget();
    this.#token = this.visitorId = this.identity = null;
    this.known = false;
    this.#stream?.abort();
    this.#queue = [];
    this.slow = false;
    this.#reset();
    this.state = "idle";
    this.#tell("state");
    this.#tell("queue");
    await leaving;
  }

  async #again() {
    await this.#starting;
    await this.start();
    this.#stream?.abort();
    this.#wake();
  }

  #reset() {
    this.lines = [];
    this.last = this.read = 0;
    this.#told = { read: 0, delivered: 0 };
    this.older = null;
    this.ended = this.live = false;
    this.#tell("reset");
  }

  async #history(epoch) {
    const answer = await this.#get("/messages?limit=50");
    if (!answer || epoch !== this.#epoch) return;
    for (const line of answer.items) this.#add(line);
    this.older = answer.next;
    this.live = true;
    this.#tell("history");
  }

  // The lines before those that are here, a page of them; none when there are none, or none can be had now.
  async loadOlder() {
    const answer = this.older && (await this.#get(`/messages?limit=50&before=${this.older}`));
    if (!answer) return [];
    this.lines = [...answer.items, ...this.lines];
    this.older = answer.next;
    return answer.items;
  }

  // -------------------------------------------------------------------------------------------- what is heard

  async #listen(epoch) {
    for (let tries = 0; epoch === this.#epoch; ) {
      if (!this.live) await this.#history(epoch);
      if (!this.live || this.#shelved) {
        await this.#pause(tries++);
        continue;
      }
      this.#stream = new AbortController();
      const status = await follow({
        open: (path, accept, signal) => this.#fetch(path, { headers: { accept }, signal }, false),
        after: () => this.last,
        take: (frame) => this.#take(frame),
        alive: () => {
          tries = 0;
          this.#become("live");
          this.#wake();
          this.#pump();
        },
        controller: this.#stream,
      });
      if (epoch !== this.#epoch) return;
      if (status === 401) await this.start();
      if (status === "done") continue;
      if (tries > 0 || navigator.onLine === false) this.#become("offline");
      await this.#pause(tries++);
    }
  }

  #shelve(on) {
    this.#shelved = on;
    if (on) this.#stream?.abort();
    else this.#wake();
  }

  #take(frame) {
    if (!this.live) return; // the rest of what came with a reset
    if (frame.type === "reset") {
      this.#reset();
      this.#stream.abort(); // the history first
    } else if (!frame.seq) this.#fleeting(frame);
    else if (frame.seq === this.last + 1) {
      this.#add(frame);
      this.#tell("line", frame);
      if (frame.from?.kind !== "visitor") this.#mark();
    } else if (frame.seq > this.last) this.#stream.abort(); // a hole: ask again from where we are
  }

  #fleeting(frame) {
    if (frame.type === "token") {
      this.#token = frame.visitor_token;
      this.remember({ token: this.#token });
    }
    if (frame.type === "read") this.read = Math.max(this.read, frame.up_to_seq);
    this.#tell(frame.type, frame);
  }

  #add(line) {
    this.last = line.seq;
    this.lines.push(line);
    this.#settle(line);
    if (line.type === "message") this.ended = false;
    if (line.type === "notice" && line.code === "ended") this.ended = true;
  }

  // A line of ours came back: the bubble that waited for it has done its duty. The service shows a line as soon as it
  // is kept, which may be before it is passed on: until the answer says so too, the item goes on being sent. A file
  // isn't uploaded for that again.
  #settle(line) {
    const item = line.client_id && this.#queue.find((one) => one.client_id === line.client_id);
    if (!item) return;
    item.shown = true;
    if (item.status !== "sending" || item.file) this.#done(item);
    this.#tell("queue");
  }

  #done(item) {
    this.#queue = this.#queue.filter((other) => other !== item);
    if (!this.#queue.some((other) => other.status === "sending")) this.slow = false;
    this.#keepQueue();
  }

  // What has no line yet, in order: a bubble for each.
  get waiting() {
    return this.#queue.filter((item) => !item.shown);
  }

  get unread() {
    return this.lines.filter((line) => line.seq > this.read && line.type === "message" && line.from?.kind !== "visitor")
      .length;
  }

  // The visitor has all of it before their eyes.
  seen() {
    if (this.last <= this.read) return;
    this.read = this.last;
    this.#mark();
    this.#tell("read");
  }

  // Tell how far this browser holds the lines, and how far they were read; gathered for a moment, for lines come in
  // bursts.
  #mark() {
    this.#marking ??= setTimeout(() => {
      this.#marking = null;
      if (this.read > this.#told.read) this.#tellMark("read", this.read);
      if (this.last > Math.max(this.read, this.#told.delivered)) this.#tellMark("delivered", this.last);
    }, 800);
  }

  #tellMark(kind, seq) {
    this.#told[kind] = seq;
    this.#post(`/${kind}`, { seq }).catch(() => (this.#told[kind] = 0)); // the next mark tells it too
  }

  // ---------------------------------------------------------------------------------------------- what is said

  say(words) {
    const item = { client_id: newId(), at: new Date().toISOString(), status: "sending", ...words };
    this.#queue.push(item);
    this.ended = false;
    this.#typedAt = 0;
    this.#keepQueue();
    this.#tell("queue");
    this.#pump();
  }

  again(item) {
    item.status = "sending";
    this.#tell("queue");
    this.#pump();
  }

  drop(item) {
    item.request?.abort();
    this.#done(item);
    this.#tell("queue");
  }

  #keepQueue() {
    const queue = this.#queue.filter((item) => !item.file && item.status !== "sent");
    this.remember({ queue: queue.map(({ client_id, at, text, choice }) => ({ client_id, at, text, choice })) });
  }

  async #pump() {
    if (this.#pumping || !this.#token) return;
    this.#pumping = true;
    const epoch = this.#epoch;
    let tries = 0;
    while (epoch === this.#epoch) {
      const item = this.#queue.find((one) => one.status === "sending");
      if (!item) break;
      const answer = await this.#deliver(item).catch(() => null);
      if (epoch !== this.#epoch || !this.#queue.includes(item)) continue;
      if (answer?.status === 202) {
        item.status = "sent";
        tries = 0;
        this.slow = false;
        if (item.shown) this.#done(item);
        else this.#keepQueue();
      } else if (answer?.status === 401 && tries++ < 3) {
        if (!(await this.start())) item.status = "failed";
      } else if (answer && answer.status < 500 && answer.status !== 429) {
        Object.assign(item, { status: "failed", reason: answer.code });
        if (item.shown) this.#done(item); // the line stands: there is nothing for the visitor to repeat
      } else {
        this.slow ||= Boolean(answer);
        this.#tell("queue");
        await this.#pause(tries++, answer);
        continue;
      }
      this.#tell("queue");
    }
    this.#pumping = false;
  }

  async #deliver(item) {
    if (item.file) return this.#upload(item);
    const { client_id, text, choice } = item;
    const answer = await this.#post("/messages", { client_id, text, choice });
    const code = answer.ok ? null : (await answer.json().catch(() => ({}))).code;
    return { status: answer.status, code, headers: answer.headers };
  }

  // XMLHttpRequest, because fetch doesn't tell how much of a file is through.
  #upload(item) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const form = new FormData();
      form.append("client_id", item.client_id);
      if (item.text) form.append("text", item.text);
      form.append("file", item.file, item.file.name);
      request.open("POST", `${this.base}/messages`);
      request.setRequestHeader("authorization", `Bearer ${this.#token}`);
      request.responseType = "json";
      request.upload.onprogress = ({ loaded, total }) => {
        item.progress = loaded / total;
        this.#tell("progress", item);
      };
      request.onload = () => {
        const headers = { get: (name) => request.getResponseHeader(name) };
        resolve({ status: request.status, code: request.response?.code, headers });
      };
      request.onerror = request.onabort = reject;
      item.request = request;
      request.send(form);
    });
  }

  typing(on) {
    const now = Date.now();
    if (!this.#token || (on && now - this.#typedAt < TYPING_EVERY) || (!on && !this.#typedAt)) return;
    this.#typedAt = on ? now : 0;
    this.#post("/typing", { on }).catch(() => {});
  }

  async end() {
    return this.#post("/end", {}).then(
      (answer) => answer.ok,
      () => false,
    );
  }

  // ------------------------------------------------------------------------------------------------ the network

  #post(path, body) {
    return this.#fetch(path, { method: "POST", body: JSON.stringify(body) });
  }

  async #get(path) {
    const answer = await this.#fetch(path).catch(() => null);
    return answer?.ok ? answer.json() : null;
  }

  // A token that ran out is renewed once, unless `renew` is false.
  async #fetch(path, options = {}, renew = true) {
    const headers = { ...options.headers };
    if (options.body) headers["content-type"] = "application/json";
    const begins = path === "/session" && options.method === "POST";
    if (this.#token && !begins) headers.authorization = `Bearer ${this.#token}`;
    const answer = await fetch(this.base + path, { ...options, headers, credentials: "omit", cache: "no-store" });
    if (answer.status === 401 && renew && path !== "/messages" && (await this.start()))
      return this.#fetch(path, options, false);
    return answer;
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell("state");
  }

  #wake() {
    for (const waker of this.#wakers) waker();
  }

  // Wait as long as the service asked, or ever longer with full jitter, so that a restart doesn't bring all visitors
  // at once; whatever may have changed the network ends the wait, but for the service's own wish.
  #pause(tries, answer) {
    const asked = Number(answer?.headers?.get("retry-after")) * 1000;
    const wait = asked || Math.random() * Math.min(RETRY_AT_MOST, 1000 * 2 ** tries);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, wait);
      if (!asked) this.#wakers.add(done);
    });
  }
}

function pageNow() {
  return {
    url: location.href.slice(0, 2000),
    title: document.title.slice(0, 500),
    referrer: document.referrer.slice(0, 2000),
  };
}

// 128 random bits. crypto.randomUUID is missing on pages without https.
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
