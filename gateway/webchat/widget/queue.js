// What the visitor said, in order, until it was both taken by the service and shown as a line, whichever comes first.
//
// Each message carries an id of its own making, so one that is repeated after a lost answer is still said once.

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").Answer} Answer */

const RENEWALS = 3;

export class Queue {
  // The service asked to wait with what is to be said.
  slow = false;
  /** @type {Item[]} */
  #items = [];
  #pumping = false;
  // Raised by signing out: whatever belongs to before is of no use.
  #epoch = 0;

  /**
   * `deliver` sends one and gives the service's answer; `renew` begins the session anew, false when it was refused.
   * `keep` is called when what must survive a reload is another.
   * @param {{
   *   kept?: Omit<Item, "status">[],
   *   ready: () => boolean,
   *   deliver: (item: Item) => Promise<Answer>,
   *   renew: () => Promise<boolean>,
   *   pause: (tries: number, answer: Answer | null) => Promise<void>,
   *   keep: (items: Omit<Item, "status">[]) => void,
   *   onChange: () => void,
   * }} given
   */
  constructor(given) {
    this.given = given;
    this.#items = (given.kept ?? []).map((item) => ({ ...item, status: "sending" }));
  }

  /** What has no line yet, in order: a bubble for each. */
  get waiting() {
    return this.#items.filter(({ shown }) => !shown);
  }

  /** @param {Pick<Item, "text" | "choice" | "file">} words */
  say(words) {
    this.#items.push({ client_id: newId(), at: new Date().toISOString(), status: "sending", ...words });
    this.#keep();
    this.given.onChange();
    this.pump();
  }

  /** @param {Item} item */
  again(item) {
    item.status = "sending";
    this.given.onChange();
    this.pump();
  }

  /** @param {Item} item */
  drop(item) {
    item.request?.abort();
    this.#done(item);
    this.given.onChange();
  }

  clear() {
    this.#epoch += 1;
    this.#items = [];
    this.slow = false;
  }

  /**
   * A line came: the bubble that waited for it has done its duty. The service shows a line as soon as it is kept, which
   * may be before it is passed on: until the answer says so too, the item goes on being sent. A file isn't uploaded for
   * that again.
   * @param {import("./types.js").Line} line
   */
  settle({ client_id: id }) {
    const item = id && this.#items.find(({ client_id: one }) => one === id);
    if (!item) return;
    item.shown = true;
    if (item.status !== "sending" || item.file) this.#done(item);
    this.given.onChange();
  }

  /** @param {Item} item */
  #done(item) {
    this.#items = this.#items.filter((other) => other !== item);
    if (!this.#items.some(({ status }) => status === "sending")) this.slow = false;
    this.#keep();
  }

  #keep() {
    const texts = this.#items.filter(({ file, status }) => !file && status !== "sent");
    this.given.keep(texts.map(({ client_id, at, text, choice }) => ({ client_id, at, text, choice })));
  }

  /** Send what waits, one after the other. */
  async pump() {
    if (this.#pumping || !this.given.ready()) return;
    this.#pumping = true;
    const epoch = this.#epoch;
    let tries = 0;
    while (epoch === this.#epoch) {
      const item = this.#items.find(({ status }) => status === "sending");
      if (!item) break;
      const answer = await this.given.deliver(item).catch(() => null);
      if (epoch !== this.#epoch || !this.#items.includes(item)) continue;
      if (answer?.status === 202) {
        item.status = "sent";
        tries = 0;
        this.slow = false;
        if (item.shown) this.#done(item);
        else this.#keep();
      } else if (answer?.status === 401 && tries < RENEWALS) {
        tries += 1;
        if (!(await this.given.renew())) item.status = "failed";
      } else if (answer && answer.status < 500 && answer.status !== 429) {
        item.status = "failed";
        item.reason = answer.code ?? undefined;
        // The line stands: there is nothing for the visitor to repeat.
        if (item.shown) this.#done(item);
      } else {
        this.slow ||= Boolean(answer);
        this.given.onChange();
        await this.given.pause(tries, answer);
        tries += 1;
        continue;
      }
      this.given.onChange();
    }
    this.#pumping = false;
  }
}

/** 128 random bits. crypto.randomUUID is missing on pages without https. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
