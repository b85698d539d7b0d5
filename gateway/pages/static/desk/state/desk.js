// All that the desk knows, and the only place that changes it: from answers, from events, from what the rep does.
//
// What is offered, asked and pending is read off the sessions rather than kept from signals, so a lost signal can't
// leave a stale button.

import { Unreachable } from "../api.js";
import { Marks } from "./marks.js";
import { Names, recipientName } from "./names.js";
import { closed, declined, Notices, unavailable } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Presence, Typing } from "./presence.js";
import { alertsOf, called, callsFor, grouped, isIn, later, withEntry } from "./sessions.js";
import { isNews } from "./transcript.js";
import { Transcripts } from "./transcripts.js";
import { Watchers } from "./watchers.js";

/** @typedef {import("../../../types.js").Call} Call */
/** @typedef {{text: string, session: string, urgent: boolean}} Alert */
/** @typedef {{state: "connecting" | "live" | "waiting", retryAt?: number}} Connection */

/** @type {V1.SessionStatus[]} */
const OPEN_STATUSES = ["active", "waiting", "inactive"];
const LIST_PAGE = 100;
const MOST_LISTED = 1000;
const RELOAD_WAIT_MS = 2_000;
const FIELD_WAITS_MS = 2_000;

export class Desk {
  /** @type {Map<string, V1.Session>} */
  sessions = new Map();
  /** @type {string | null} */
  selected = null;
  connection = { state: "connecting", retryAt: 0, lostAt: Date.now() };
  loaded = false;
  /**
   * The ids of the sessions that a search found; null: nothing is searched for.
   * @type {string[] | null}
   */
  found = null;
  names = new Names();

  #watchers = new Watchers();
  /**
   * By id, as last seen: signals name those that are gone.
   * @type {Map<string, V1.Invitation>}
   */
  #invitations = new Map();
  /** @type {Set<string>} */
  #rung = new Set();
  /** @type {Map<string, Promise<unknown>>} */
  #refreshing = new Map();
  #fieldWanted = 0;
  // The state was read anew since the stream last began without a number.
  #current = false;
  #searched = "";

  /**
   * @param {{
   *   api: import("../api.js").Api, me: V1.Me, demo?: boolean,
   *   onAlert?: (alert: Alert) => void, onUnauthenticated?: () => void,
   * }} given
   */
  constructor({ api, me, demo = false, onAlert = () => {}, onUnauthenticated = () => {} }) {
    this.api = api;
    this.me = me;
    this.demo = demo;
    this.onAlert = onAlert;
    this.onUnauthenticated = onUnauthenticated;
    this.names.learn("agent", me.login, me.name);
    this.presence = new Presence(() => this.#changed("me"));
    this.presence.status = me.presence.status;
    this.notices = new Notices(() => this.#changed("notices"));
    this.typing = new Typing((id) => this.#logChanged(id));
    this.transcripts = new Transcripts({
      api,
      quietly: (work, failed) => this.quietly(work, failed),
      onChange: (id) => this.#logChanged(id),
    });
    this.marks = new Marks(me.login, () => this.#changed("sessions", "log"));
    this.outbox = new Outbox({
      login: me.login,
      send: (item) => (item.aside ? api.whisper(item.session, item) : api.say(item.session, item)),
      onSent: (item, answer) => this.#absorb(answer, item.session),
      onChange: (id) => id === this.selected && this.#changed("log"),
    });
  }

  /** @type {Watchers["watch"]} */
  watch(topics, render) {
    return this.#watchers.watch(topics, render);
  }

  /** @param {import("./watchers.js").Topic[]} topics */
  #changed(...topics) {
    this.#watchers.changed(...topics);
  }

  /** @param {string} id */
  #logChanged(id) {
    this.#changed("sessions");
    if (id === this.selected) this.#changed("log");
  }

  // ----------------------------------------------------------------------------------------- the stream

  /** @param {Connection} next */
  setConnection({ state, retryAt = 0 }) {
    const lostAt = state === "live" ? 0 : this.connection.lostAt || Date.now();
    this.connection = { state, retryAt, lostAt };
    this.#changed("connection");
  }

  /**
   * The stream is open. Unless it resumes where it was, read everything anew: something may have been missed. `gone`:
   * what was read may be of a time that was undone, so whatever is read now takes its place.
   * @param {boolean} resumed
   */
  async opened(resumed, gone = false) {
    this.outbox.resume();
    if (gone) {
      for (const [id, session] of this.sessions) this.sessions.set(id, { ...session, version: -1 });
      this.transcripts.distrust();
    }
    if (!resumed) this.#current = false;
    if (!this.#current) await this.reload();
    else if (this.selected && this.transcripts.of(this.selected).holey) await this.transcripts.catchUp(this.selected);
  }

  async reload() {
    const { said } = this.presence;
    try {
      const [me, ...pages] = await Promise.all([this.api.me(), ...OPEN_STATUSES.map((status) => this.#list(status))]);
      if (said === this.presence.said) this.presence.status = me.presence.status;
      const listed = new Map(pages.flat().map((session) => [session.id, session]));
      for (const [id, { status }] of this.sessions) {
        if (!listed.has(id) && id !== this.selected && status !== "ended") this.sessions.delete(id);
      }
      for (const session of listed.values()) this.#put(session);
      await this.transcripts
        .readAnew(this.selected, async (id) => this.#put(await this.api.session(id)))
        .catch((error) => this.#gone(error));
      this.loaded = true;
      this.#current = true;
      this.#changed("me", "sessions", "selection", "log");
    } catch (error) {
      if (error.status === 401) this.onUnauthenticated();
      else setTimeout(() => this.connection.state === "live" && !this.#current && this.reload(), RELOAD_WAIT_MS);
    }
  }

  /** @param {V1.SessionStatus} status */
  async #list(status) {
    /** @type {V1.Session[]} */
    const all = [];
    let cursor = null;
    do {
      const page = await this.api.sessions({ status, cursor, limit: LIST_PAGE });
      all.push(...page.items);
      cursor = page.next;
    } while (cursor && all.length < MOST_LISTED);
    return all;
  }

  /**
   * The open session may be none of ours any more; any other failure is the reading's.
   * @param {{status?: number}} error
   */
  #gone(error) {
    if (error.status !== 404 || !this.selected) throw error;
    this.#forget(this.selected);
  }

  /** @param {{type: string, session_id: string | null, data: any}} event */
  take({ type, session_id: id, data }) {
    if (type === "session") this.#put(data.session);
    else if (type === "presence" && data.login === this.me.login) this.presence.reported(data.status);
    if (id) this.#happened(id, type, data);
  }

  /**
   * @param {string} id
   * @param {string} type
   * @param {any} data as docs/api describes it for each type
   */
  #happened(id, type, data) {
    const invitation = this.#invitations.get(data.invitation_id);
    switch (type) {
      case "session_gone":
        return this.#forget(id);
      case "entry":
        return this.#entry(id, data.entry);
      case "delivery":
        return this.transcripts.deliver(id, data);
      case "media":
        return void this.transcripts.refetch(id, data.number);
      case "typing":
        if (data.who.id !== this.me.login) this.typing.take(id, data);
        return;
      case "invitation_declined":
        return this.notices.add(id, declined(invitation, data), "warn");
      case "invitation_unavailable":
        return this.notices.add(id, unavailable(invitation, data), "warn");
      case "invitation_closed": {
        const text = closed(data);
        if (text) this.notices.add(null, text, "plain");
        return void this.#refresh(id);
      }
      case "work_offered":
      case "work_withdrawn":
      case "invitation_received":
        return void this.#refresh(id);
    }
  }

  /** @param {V1.Session} session */
  #put(session) {
    const { id } = session;
    const known = this.sessions.get(id);
    const now = later(known, session);
    this.sessions.set(id, now);
    for (const { role, id: login, name } of session.participants) {
      if (role !== "end_user") this.names.learn("agent", login, name);
    }
    for (const invitation of session.invitations) this.#invitations.set(invitation.id, invitation);
    if (known && isIn(known, this.me.login) !== isIn(now, this.me.login)) {
      this.typing.forget(id);
      // What was refused before may be read now.
      this.transcripts.of(id).failed = null;
    }
    if (this.transcripts.of(id).name(now.end_user.name)) this.#changed("log");
    if (known && known.access !== "full" && now.access === "full") this.#readWhole(id);
    for (const [key, text] of alertsOf(now, this.me)) {
      if (this.#rung.has(key)) continue;
      this.#rung.add(key);
      this.onAlert({ text, session: id, urgent: true });
    }
    this.#logChanged(id);
    if (id === this.selected) this.#changed("selection");
  }

  /**
   * Of a conversation that the rep was only asked into, the page has the latest line: now all of it may be read.
   * @param {string} id
   */
  #readWhole(id) {
    this.transcripts.forget(id);
    if (id === this.selected) this.transcripts.loadFirst(id);
    else this.transcripts.warm(id);
  }

  /**
   * @param {string} id
   * @param {V1.Entry} entry
   */
  #entry(id, entry) {
    const { login } = this.me;
    const { kind, from, details, text } = entry;
    const session = this.sessions.get(id);
    const inside = Boolean(session && isIn(session, login));
    const transcript = this.transcripts.of(id);
    const isNew = transcript.take(entry);
    if (transcript.holey) this.transcripts.catchUp(id);
    if (!transcript.loaded && (inside || id === this.selected)) this.transcripts.warm(id);
    this.typing.stop(id, from?.id);
    if (from?.id === login) this.outbox.confirm(id, entry);
    if ((kind === "message_edited" || kind === "message_deleted") && details.number) {
      this.transcripts.refetch(id, details.number);
    }
    if (kind === "invitation_expired") this.#expired(id, this.#invitations.get(details.invitation_id));
    if (session) this.sessions.set(id, withEntry(session, entry));
    if (isNew && from && inside && isNews(entry)) this.#news(id, called(from), text);
    if (isNew && from && kind === "whisper" && from.id !== login) this.#news(id, `${from.name} (internal)`, text);
    this.#logChanged(id);
  }

  /** @type {(session: string, who: string, text: string | null) => void} */
  #news(session, who, text) {
    this.onAlert({ text: `${who}: ${text ?? ""}`, session, urgent: false });
  }

  /** @type {(id: string, invitation: V1.Invitation | undefined) => void} */
  #expired(id, invitation) {
    if (invitation?.from !== this.me.login) return;
    this.notices.add(id, `${recipientName(invitation.recipient)} did not answer.`, "warn");
  }

  /**
   * Several reasons to look again at one time are one reason.
   * @param {string} id
   */
  #refresh(id) {
    const running = this.#refreshing.get(id) ?? this.#read(id).finally(() => this.#refreshing.delete(id));
    this.#refreshing.set(id, running);
    return running;
  }

  /** @param {string} id */
  #read(id) {
    return this.quietly(
      async () => this.#put(await this.api.session(id)),
      (error) => error.status === 404 && this.#forget(id),
    );
  }

  /**
   * Not ours to see any more: somebody else took it.
   * @param {string} id
   */
  #forget(id) {
    if (!this.sessions.delete(id)) return;
    this.transcripts.forget(id);
    this.#changed("sessions", "selection", "log");
  }

  // ------------------------------------------------------------------------------------------ asking the server

  /**
   * Do what the rep asked; a refusal becomes a notice, and `undefined` is given.
   * @template T
   * @param {string | null} session
   * @param {() => Promise<T>} work
   */
  async act(session, work) {
    try {
      const answer = await work();
      this.#absorb(answer, session);
      return answer ?? true;
    } catch (error) {
      const unsure = error instanceof Unreachable ? " Nothing was changed as far as we know; try again." : "";
      if (error.status === 401) this.onUnauthenticated();
      else this.notices.add(session, error.message + unsure, "bad");
      // The page showed something that is no longer so.
      if (error.status === 409 && session) this.#refresh(session);
      return undefined;
    }
  }

  /**
   * Do what nobody asked for: a failure is shown by the connection's state, or made up for by the next reading.
   * @template T
   * @param {() => Promise<T>} work
   * @param {(error: any) => void} failed
   */
  async quietly(work, failed = () => {}) {
    try {
      return await work();
    } catch (error) {
      if (error.status === 401) this.onUnauthenticated();
      else failed(error);
      return undefined;
    }
  }

  /**
   * What an answer tells: a session, an entry, a warning.
   * @param {any} answer
   * @param {string | null} id
   */
  #absorb(answer, id) {
    if (!answer) return;
    if (answer.participants) this.#put(answer);
    if (answer.session) this.#put(answer.session);
    // An answer's entry is as it was written; the stream's may be there already, and tells more (a file's address,
    // say).
    if (answer.number && id && !this.transcripts.of(id).get(answer.number)) {
      this.#entry(id, answer);
      if (/** @type {V1.Entry} */ (answer).parts.some(({ type }) => type === "media")) {
        this.transcripts.refetch(id, answer.number);
      }
    }
    if (answer.warning) this.notices.add(id, answer.warning, "warn");
  }

  // ------------------------------------------------------------------------------------------ what is asked of it

  get groups() {
    return grouped(this.sessions.values(), this.me);
  }

  get calls() {
    return callsFor(this.sessions.values(), this.me.login);
  }

  get current() {
    return (this.selected && this.sessions.get(this.selected)) || null;
  }

  /**
   * How many messages of the customer the rep has not seen, as far as the loaded part tells.
   * @param {string} id
   */
  unread(id) {
    return this.transcripts.of(id).newsAfter(this.marks.readUpTo(id) ?? 0);
  }

  /**
   * The rep has seen the log's end.
   * @param {string} id
   */
  seen(id) {
    const { last } = this.transcripts.of(id);
    if (last && this.marks.read(id, last)) this.#changed("sessions");
  }

  /** @param {string | null} id */
  async select(id) {
    if (this.selected === id) return;
    this.selected = id;
    this.#changed("selection", "log", "sessions", "notices");
    if (!id) return;
    const { loaded } = this.transcripts.of(id);
    if (!this.sessions.has(id)) await this.act(null, () => this.api.session(id));
    if (loaded) await this.transcripts.catchUp(id);
    else await this.transcripts.loadFirst(id);
  }

  /** @param {string} q */
  async search(q) {
    const wanted = q.trim();
    this.#searched = wanted;
    const page = wanted && (await this.quietly(() => this.api.sessions({ q: wanted, limit: 50 })));
    // An answer to an older question.
    if (this.#searched !== wanted || page === undefined) return;
    for (const session of page ? page.items : []) this.#put(session);
    this.found = page ? page.items.map(({ id }) => id) : null;
    this.#changed("sessions");
  }

  // -------------------------------------------------------------------------------------- what a rep does

  /** The rep goes on in the field of the conversation that opens, if it opens soon. */
  wantField() {
    this.#fieldWanted = Date.now();
    this.#changed("selection");
  }

  takeFieldWish() {
    const wanted = Date.now() - this.#fieldWanted < FIELD_WAITS_MS;
    this.#fieldWanted = 0;
    return wanted;
  }

  /** Whoever opens the demo's desk is there to work, unless they have said otherwise. */
  async present() {
    if (this.presence.status === "offline" && !this.presence.said) await this.setPresence("online");
  }

  /**
   * Say whether one may be given work. False when it was refused.
   * @param {V1.PresenceStatus} status
   */
  setPresence(status) {
    return this.presence.say(status, (said) => this.act(null, () => this.api.setPresence(said)));
  }

  /**
   * Take offered work, or come in. False when it was refused.
   * @param {Call} call
   */
  async accept({ session: { id }, invitation }) {
    const { api } = this;
    const done = await this.act(null, async () =>
      invitation ? api.acceptInvitation(id, invitation.id) : api.accept(id),
    );
    await this.#refresh(id);
    if (done) this.wantField();
    return Boolean(done);
  }

  /** @param {Call} call */
  async decline({ session: { id }, invitation }) {
    const { api } = this;
    await this.act(null, () => (invitation ? api.declineInvitation(id, invitation.id) : api.decline(id)));
    await this.#refresh(id);
  }

  /**
   * @param {string} id
   * @param {import("../api.js").Query} query
   */
  async destinations(id, query) {
    const page = await this.api.destinations(id, query);
    for (const { type, id: one, name } of page.items) this.names.learn(type, one, name);
    return page;
  }

  close() {
    this.marks.close();
  }
}
