// What the rep sent and the server hasn't confirmed: shown at the end of the log, sent in order, each under its own
// key.
//
// A key is made once for each message, so a repetition after silence can't say a thing twice. Texts survive a reload.

import { Unreachable } from "../api.js";

/**
 * `to`: whose flag an aside is about. `confirmed`: its entry came by the stream, before the answer.
 * @typedef {{
 *   key: string, session: string, text: string, file?: File | null, aside: boolean, to?: string | null, at: string,
 *   state: "sending" | "held" | "refused", problem?: string | null, confirmed?: boolean,
 * }} Item
 */

const HELD_MS = 4_000;

/**
 * Whispers don't wait for a message that was refused.
 * @param {Pick<Item, "session" | "aside">} item
 */
const laneOf = ({ session, aside }) => `${session} ${aside}`;

export class Outbox {
  /** @type {Item[]} */
  #items = [];
  /** @type {Set<string>} */
  #running = new Set();

  /**
   * @param {{
   *   login: string,
   *   send: (item: Item) => Promise<V1.Entry>,
   *   onSent: (item: Item, answer: V1.Entry) => void,
   *   onChange: (session: string) => void,
   * }} given
   */
  constructor({ login, send, onSent, onChange }) {
    this.send = send;
    this.onSent = onSent;
    this.onChange = onChange;
    this.store = `byoc.desk.${login}.unsent`;
    try {
      /** @type {Item[]} */
      const kept = JSON.parse(sessionStorage.getItem(this.store) ?? "[]");
      this.#items = kept.map((item) => ({ ...item, state: "held" }));
    } catch {
      // Nothing that was kept can be read.
    }
  }

  /** @param {string} session */
  of(session) {
    return this.#items.filter((item) => item.session === session && !item.confirmed);
  }

  get size() {
    return this.#items.length;
  }

  /** @type {(session: string, said: Pick<Item, "text" | "file" | "to"> & {aside?: boolean}) => void} */
  say(session, { text, file = null, aside = false, to = null }) {
    const key = crypto.randomUUID();
    this.#items.push({ key, session, text, file, aside, to, at: new Date().toISOString(), state: "sending" });
    this.#changed(session);
    this.#run(laneOf({ session, aside }));
  }

  /** Take up what was held back: the connection is there again. */
  resume() {
    for (const lane of new Set(this.#items.map(laneOf))) this.#run(lane);
  }

  /** @param {string} key */
  again(key) {
    const item = this.#items.find((one) => one.key === key);
    if (!item) return;
    Object.assign(item, { state: "sending", problem: null });
    this.#changed(item.session);
    this.#run(laneOf(item));
  }

  /** @param {string} key */
  discard(key) {
    const item = this.#items.find((one) => one.key === key);
    if (!item) return;
    this.#remove(item);
    this.#changed(item.session);
    this.#run(laneOf(item));
  }

  /**
   * An entry of mine came by the stream before its answer: what it confirms must not stand there twice.
   * @param {string} session
   * @param {V1.Entry} entry
   */
  confirm(session, entry) {
    const aside = entry.kind !== "message";
    const item = this.of(session).find(
      (one) => one.state === "sending" && one.aside === aside && (one.text || "") === (entry.text || ""),
    );
    if (item) item.confirmed = true;
  }

  /** @param {Item} item */
  #remove(item) {
    this.#items = this.#items.filter((one) => one !== item);
  }

  /** @param {string} lane */
  async #run(lane) {
    if (this.#running.has(lane)) return;
    this.#running.add(lane);
    try {
      for (let item = this.#next(lane); item; item = this.#next(lane)) if (!(await this.#try(item))) break;
    } finally {
      this.#running.delete(lane);
    }
  }

  /**
   * A refused message holds up those behind it: the rep decides first, or the customer reads them out of order.
   * @param {string} lane
   */
  #next(lane) {
    const item = this.#items.find((one) => laneOf(one) === lane);
    return item?.state === "refused" ? undefined : item;
  }

  /** @param {Item} item */
  async #try(item) {
    item.state = "sending";
    try {
      const answer = await this.send(item);
      this.#remove(item);
      this.onSent(item, answer);
    } catch (error) {
      const held = error instanceof Unreachable || error.status === 503 || error.status === 429;
      item.state = held ? "held" : "refused";
      item.problem = error.message;
      item.confirmed &&= held;
      if (held) setTimeout(() => this.#run(laneOf(item)), HELD_MS);
      this.#changed(item.session);
      return false;
    }
    this.#changed(item.session);
    return true;
  }

  /** @param {string} session */
  #changed(session) {
    const kept = this.#items.filter(({ file }) => !file);
    try {
      const texts = kept.map(({ key, session: id, text, aside, to, at }) => ({
        key,
        session: id,
        text,
        aside,
        to,
        at,
      }));
      sessionStorage.setItem(this.store, JSON.stringify(texts));
    } catch {
      // Without a store, a reload loses what is unsent; the page says that it is unsent.
    }
    this.onChange(session);
  }
}
