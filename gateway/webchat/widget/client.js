// The visitor's side of the chat service: session, stream, and what is said and read. Knows nothing of the page's
// looks.
//
// What it promises: lines are shown once and in the order of their numbers, whatever breaks; what was typed is sent
// once, in order, across reloads.

import { Queue } from "./queue.js";
import { follow, Patience, Service } from "./service.js";

/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Item} Item */

const TYPING_EVERY = 4_000;
const MARKS_AFTER = 800;
const PAGE = 50;

export class Client {
  /** @type {import("./types.js").Identity | null} */
  identity = null;
  /** @type {import("./types.js").Config | null} */
  config = null;
  /** @type {string | null} */
  visitorId = null;
  /** @type {"idle" | "connecting" | "live" | "offline" | "refused"} */
  state = "idle";
  /**
   * In order of seq.
   * @type {Line[]}
   */
  lines = [];
  // The numbers of the last line here, and of the last that was read.
  last = 0;
  read = 0;
  /**
   * Where the lines before those that are here begin.
   * @type {string | number | null}
   */
  older = null;
  ended = false;
  // Whether new lines are news, or history.
  live = false;

  #patience = new Patience();
  /** @type {Promise<boolean> | null} */
  #starting = null;
  /** @type {AbortController | null} */
  #stream = null;
  /** @type {Map<string, ((detail: any) => void)[]>} */
  #listeners = new Map();
  #shelved = false;
  #typedAt = 0;
  #marking = 0;
  #told = { read: 0, delivered: 0 };
  // Raised by signing out: whatever belongs to before is of no use.
  #epoch = 0;
  #memory;
  #service;

  /** @param {{base: string, locale: string, memory: import("./types.js").Memory}} given */
  constructor({ base, locale, memory }) {
    this.base = base;
    this.locale = locale;
    this.#memory = memory;
    this.#service = new Service(base, () => this.start());
    const kept = memory.read();
    this.#service.token = kept.token ?? null;
    this.known = Boolean(kept.token);
    this.wasOpen = Boolean(kept.open && kept.token);
    this.queue = new Queue({
      kept: kept.queue,
      ready: () => Boolean(this.#service.token),
      deliver: (item) => this.#deliver(item),
      renew: () => this.start(),
      pause: (tries, answer) => this.#patience.pause(tries, answer),
      keep: (queue) => this.remember({ queue }),
      onChange: () => this.#tell("queue"),
    });
    const wake = () => this.#patience.wake();
    for (const name of ["online", "focus"]) addEventListener(name, wake);
    document.addEventListener("visibilitychange", wake);
    addEventListener("offline", () => this.#stream?.abort());
    // An open stream would keep the page out of the back-forward cache.
    addEventListener("pagehide", () => this.#shelve(true));
    addEventListener("pageshow", () => this.#shelve(false));
  }

  /** @type {(name: string, listener: (detail: any) => void) => void} */
  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #tell(name, detail) {
    for (const listener of this.#listeners.get(name) ?? []) listener(detail);
  }

  /** @param {import("./types.js").Kept} changes */
  remember(changes) {
    if (this.#service.token || changes.token) this.#memory.write(changes);
  }

  // ---------------------------------------------------------------------------------------------- the session

  /**
   * Begin or go on; may be called again with answers of the form, or after signing in. One at a time. False when the
   * service refused.
   * @param {import("./types.js").Answers} [prechat]
   */
  start(prechat) {
    this.#starting ??= this.#start(prechat, this.#epoch).finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  /** @type {(prechat: import("./types.js").Answers | undefined, epoch: number) => Promise<boolean>} */
  async #start(prechat, epoch) {
    const first = this.state === "idle";
    if (first) this.#become("connecting");
    for (let tries = 0; epoch === this.#epoch; tries += 1) {
      const answer = await this.#session(prechat).catch(() => null);
      if (answer?.ok) {
        this.#begun(await answer.json());
        if (first) this.#listen(epoch);
        this.queue.pump();
        return true;
      }
      if (answer && answer.status < 500 && answer.status !== 429) {
        this.#become("refused");
        return false;
      }
      this.#become("offline");
      await this.#patience.pause(tries, answer);
    }
    return false;
  }

  /** @param {import("./types.js").Answers} [prechat] */
  async #session(prechat) {
    const body = {
      locale: this.locale,
      capabilities: ["typing", "read", "file"],
      page: pageNow(),
      visitor_token: this.#service.token ?? undefined,
      prechat,
      identity_jwt: (this.identity && (await this.identity())) || undefined,
    };
    return this.#service.fetch("/session", { method: "POST", body: JSON.stringify(body) }, false);
  }

  /**
   * @param {{
   *   visitor_id: string, visitor_token: string, read_seq: number, config: import("./types.js").Config
   * }} answer
   */
  #begun({ visitor_id: visitorId, visitor_token: token, config, read_seq: read }) {
    if (this.visitorId && this.visitorId !== visitorId) this.#reset();
    this.visitorId = visitorId;
    this.#service.token = token;
    this.known = true;
    this.config = config;
    this.read = Math.max(this.read, read);
    this.#told.read = this.read;
    this.remember({ token });
    this.#tell("config");
  }

  /**
   * Signing in: the same visitor, now with a name that is proven, and perhaps a longer history.
   * @param {import("./types.js").Identity} identity
   */
  async identify(identity) {
    this.identity = identity;
    if (this.known || this.state !== "idle") await this.#again();
  }

  async signOut() {
    const service = this.#service;
    const leaving = service.token && service.fetch("/session", { method: "DELETE" }, false).catch(() => null);
    this.#epoch += 1;
    this.#memory.forget();
    service.token = null;
    this.visitorId = null;
    this.identity = null;
    this.known = false;
    this.#stream?.abort();
    this.queue.clear();
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
    this.#patience.wake();
  }

  #reset() {
    this.lines = [];
    this.last = 0;
    this.read = 0;
    this.#told = { read: 0, delivered: 0 };
    this.older = null;
    this.ended = false;
    this.live = false;
    this.#tell("reset");
  }

  /** @param {number} epoch */
  async #history(epoch) {
    const answer = await this.#service.get(`/messages?limit=${PAGE}`);
    if (!answer || epoch !== this.#epoch) return;
    for (const line of answer.items) this.#add(line);
    this.older = answer.next;
    this.live = true;
    this.#tell("history");
  }

  /**
   * The lines before those that are here, a page of them; none when there are none, or none can be had now.
   * @returns {Promise<Line[]>}
   */
  async loadOlder() {
    const answer = this.older && (await this.#service.get(`/messages?limit=${PAGE}&before=${this.older}`));
    if (!answer) return [];
    this.lines = [...answer.items, ...this.lines];
    this.older = answer.next;
    return answer.items;
  }

  // -------------------------------------------------------------------------------------------- what is heard

  /** @param {number} epoch */
  async #listen(epoch) {
    for (let tries = 0; epoch === this.#epoch; ) {
      if (!this.live) await this.#history(epoch);
      if (!this.live || this.#shelved) {
        await this.#patience.pause(tries);
        tries += 1;
        continue;
      }
      this.#stream = new AbortController();
      const status = await follow({
        open: (path, accept, signal) => this.#service.fetch(path, { headers: { accept }, signal }, false),
        after: () => this.last,
        take: (frame) => this.#take(frame),
        alive: () => {
          tries = 0;
          this.#become("live");
          this.#patience.wake();
          this.queue.pump();
        },
        controller: this.#stream,
      });
      if (epoch !== this.#epoch) return;
      if (status === 401) await this.start();
      if (status === "done") continue;
      if (tries > 0 || navigator.onLine === false) this.#become("offline");
      await this.#patience.pause(tries);
      tries += 1;
    }
  }

  /** @param {boolean} on */
  #shelve(on) {
    this.#shelved = on;
    if (on) this.#stream?.abort();
    else this.#patience.wake();
  }

  /** @param {Frame} frame */
  #take(frame) {
    // The rest of what came with a reset.
    if (!this.live) return;
    if (frame.type === "reset") {
      this.#reset();
      // The history first.
      this.#stream?.abort();
    } else if (!frame.seq) this.#fleeting(frame);
    else if (frame.seq === this.last + 1) {
      this.#add(frame);
      this.#tell("line", frame);
      if (frame.from?.kind !== "visitor") this.#mark();
    } else if (frame.seq > this.last) {
      // A hole: ask again from where we are.
      this.#stream?.abort();
    }
  }

  /** @param {Frame} frame */
  #fleeting(frame) {
    if (frame.type === "token" && frame.visitor_token) {
      this.#service.token = frame.visitor_token;
      this.remember({ token: frame.visitor_token });
    }
    if (frame.type === "read") this.read = Math.max(this.read, frame.up_to_seq ?? 0);
    this.#tell(frame.type, frame);
  }

  /** @param {Line} line */
  #add(line) {
    this.last = line.seq;
    this.lines.push(line);
    this.queue.settle(line);
    if (line.type === "message") this.ended = false;
    if (line.type === "notice" && line.code === "ended") this.ended = true;
  }

  get unread() {
    const { read } = this;
    return this.lines.filter(({ seq, type, from }) => seq > read && type === "message" && from?.kind !== "visitor")
      .length;
  }

  /** The visitor has all of it before their eyes. */
  seen() {
    if (this.last <= this.read) return;
    this.read = this.last;
    this.#mark();
    this.#tell("read");
  }

  /**
   * Tell how far this browser holds the lines, and how far they were read; gathered for a moment, for lines come in
   * bursts.
   */
  #mark() {
    this.#marking ||= setTimeout(() => {
      this.#marking = 0;
      if (this.read > this.#told.read) this.#tellMark("read", this.read);
      if (this.last > Math.max(this.read, this.#told.delivered)) this.#tellMark("delivered", this.last);
    }, MARKS_AFTER);
  }

  /** @type {(kind: "read" | "delivered", seq: number) => void} */
  #tellMark(kind, seq) {
    this.#told[kind] = seq;
    this.#service.post(`/${kind}`, { seq }).catch(() => {
      // The next mark tells it too.
      this.#told[kind] = 0;
    });
  }

  // ---------------------------------------------------------------------------------------------- what is said

  /** @param {Pick<Item, "text" | "choice" | "file">} words */
  say(words) {
    this.ended = false;
    this.#typedAt = 0;
    this.queue.say(words);
  }

  /**
   * @param {Item} item
   * @returns {Promise<import("./types.js").Answer>}
   */
  async #deliver(item) {
    const { client_id, text, choice, file } = item;
    if (file) return this.#service.upload(item, file, () => this.#tell("progress", item));
    const answer = await this.#service.post("/messages", { client_id, text, choice });
    const code = answer.ok ? null : (await answer.json().catch(() => ({}))).code;
    return { status: answer.status, code, headers: answer.headers };
  }

  /** @param {boolean} on */
  typing(on) {
    const now = Date.now();
    if (!this.#service.token || (on && now - this.#typedAt < TYPING_EVERY) || (!on && !this.#typedAt)) return;
    this.#typedAt = on ? now : 0;
    this.#service.post("/typing", { on }).catch(() => {});
  }

  /** A failure needs no word: the conversation is still open. */
  end() {
    this.#service.post("/end", {}).catch(() => {});
  }

  /** @param {Client["state"]} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell("state");
  }
}

const pageNow = () => ({
  url: location.href.slice(0, 2000),
  title: document.title.slice(0, 500),
  referrer: document.referrer.slice(0, 2000),
});
