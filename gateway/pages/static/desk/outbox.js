// What the rep sent and the server hasn't confirmed: shown at the end of the log, sent in order, each under its own
// key.
//
// A key is made once for each message, so a repetition after silence can't say a thing twice. Texts survive a reload.

import { Unreachable } from "./api.js";

const HELD_MS = 4_000;
// Whispers don't wait for a message that was refused.
const laneOf = ({ session, aside }) => `${session} ${aside}`;

export class Outbox {
  /** @type {(item: any) => Promise<any>} */
  send;
  /** @type {(item: any, answer: any) => void} */
  onSent;
  /** @type {(session: string) => void} */
  onChange;

  #items = [];
  #running = new Set();

  constructor({ login, send, onSent, onChange }) {
    Object.assign(this, { send, onSent, onChange });
    this.store = `byoc.desk.${login}.unsent`;
    try {
      this.#items = (JSON.parse(sessionStorage.getItem(this.store)) ?? []).map((item) => ({ ...item, state: "held" }));
    } catch {
      this.#items = [];
    }
  }

  of(session) {
    return this.#items.filter((item) => item.session === session && !item.confirmed);
  }

  get size() {
    return this.#items.length;
  }

  /** `to`: whose flag an aside is about. */
  say(session, { text, file = null, aside = false, to = null }) {
    this.#items.push({
      key: crypto.randomUUID(),
      session,
      text,
      file,
      aside,
      to,
      at: new Date().toISOString(),
      state: "sending",
      problem: null,
    });
    this.#changed(session);
    this.#run(laneOf({ session, aside }));
  }

  /** Take up what was held back: the connection is there again. */
  resume() {
    for (const lane of new Set(this.#items.map(laneOf))) this.#run(lane);
  }

  again(key) {
    const item = this.#items.find((i) => i.key === key);
    if (!item) return;
    Object.assign(item, { state: "sending", problem: null });
    this.#changed(item.session);
    this.#run(laneOf(item));
  }

  discard(key) {
    const item = this.#items.find((i) => i.key === key);
    this.#items = this.#items.filter((i) => i.key !== key);
    if (!item) return;
    this.#changed(item.session);
    this.#run(laneOf(item));
  }

  /** An entry of mine came by the stream before its answer: what it confirms must not stand there twice. */
  confirm(session, entry) {
    const aside = entry.kind !== "message";
    const item = this.#items.find(
      (i) =>
        i.session === session &&
        i.state === "sending" &&
        !i.confirmed &&
        i.aside === aside &&
        (i.text || "") === (entry.text || ""),
    );
    if (item) item.confirmed = true;
  }

  async #run(lane) {
    if (this.#running.has(lane)) return;
    this.#running.add(lane);
    try {
      for (let item = this.#next(lane); item; item = this.#next(lane)) if (!(await this.#try(item))) break;
    } finally {
      this.#running.delete(lane);
    }
  }

  // A refused message holds up those behind it: the rep decides first, or the customer reads them out of order.
  #next(lane) {
    const item = this.#items.find((i) => laneOf(i) === lane);
    return item && item.state !== "refused" ? item : null;
  }

  async #try(item) {
    item.state = "sending";
    try {
      const answer = await this.send(item);
      this.#items = this.#items.filter((i) => i.key !== item.key);
      this.onSent(item, answer);
    } catch (error) {
      const held = error instanceof Unreachable || error.status === 503 || error.status === 429;
      Object.assign(item, {
        state: held ? "held" : "refused",
        problem: error.message,
        confirmed: held && item.confirmed,
      });
      if (held) setTimeout(() => this.#run(laneOf(item)), HELD_MS);
      this.#changed(item.session);
      return false;
    }
    this.#changed(item.session);
    return true;
  }

  #changed(session) {
    try {
      sessionStorage.setItem(
        this.store,
        JSON.stringify(
          this.#items
            .filter((i) => !i.file)
            .map(({ key, session: id, text, aside, at }) => ({ key, session: id, text, aside, at })),
        ),
      );
    } catch {
      // Without a store, a reload loses what is unsent; the page says that it is unsent.
    }
    this.onChange(session);
  }
}
