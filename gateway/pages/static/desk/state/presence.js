// Who is there: the rep, who says whether they may be given work, and those who type.

/** What the rep says of themself. */
export class Presence {
  /** @type {V1.PresenceStatus} */
  status = "offline";
  // How often the rep said it on this page: what is read meanwhile is older.
  said = 0;
  // How many of these the server has not answered yet, the last of them, and what the server had before.
  #saying = 0;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {V1.PresenceStatus} */
  #stored = "offline";
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** @param {V1.PresenceStatus} status */
  is(status) {
    this.status = status;
    this.#onChange();
  }

  /**
   * What the server reports. It is older than what the rep is saying at the moment.
   * @param {V1.PresenceStatus} status
   */
  reported(status) {
    if (!this.#saying) this.is(status);
  }

  /**
   * Shown at once, and as it was before when it is refused. False then. One after the other: two requests at once may
   * arrive in either order, and the last word must be the rep's last.
   * @param {V1.PresenceStatus} status
   * @param {(status: V1.PresenceStatus) => Promise<unknown>} send a falsy answer is a refusal
   */
  async say(status, send) {
    const turn = ++this.said;
    if (!this.#saying) this.#stored = this.status;
    this.#saying += 1;
    this.is(status);
    const sent = this.#last.then(() => send(status));
    this.#last = sent.catch(() => {});
    try {
      const done = Boolean(await sent);
      if (done) this.#stored = status;
      else if (turn === this.said) this.is(this.#stored);
      return done;
    } finally {
      this.#saying -= 1;
    }
  }
}

// Nobody says when they have gone, so typing lasts for a few seconds after each sign of it.
const TYPING_LASTS_MS = 8_000;

/** Who types where. */
export class Typing {
  /**
   * Session -> who -> the person, and until when.
   * @type {Map<string, Map<string, V1.Actor & {until: number}>>}
   */
  #people = new Map();
  #onChange;

  /** @param {(session: string) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /**
   * Those who type now.
   * @param {string} session
   */
  in(session, now = Date.now()) {
    return [...(this.#people.get(session)?.values() ?? [])].filter(({ until }) => until > now);
  }

  /** @type {(session: string, event: {who: V1.Actor, on: boolean}, now?: number) => void} */
  take(session, { who, on }, now = Date.now()) {
    if (!on) return this.stop(session, who.id);
    const people = this.#people.get(session) ?? new Map();
    this.#people.set(session, people.set(who.id, { ...who, until: now + TYPING_LASTS_MS }));
    setTimeout(() => this.#onChange(session), TYPING_LASTS_MS + 50);
    this.#onChange(session);
  }

  /**
   * Somebody has said what they were typing, or typed no further.
   * @param {string} session
   * @param {string | undefined} who
   */
  stop(session, who) {
    if (who !== undefined && this.#people.get(session)?.delete(who)) this.#onChange(session);
  }

  /** @param {string} session */
  forget(session) {
    this.#people.delete(session);
  }
}
