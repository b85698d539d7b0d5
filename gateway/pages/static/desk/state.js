// All that the desk knows, and the only place that changes it: from answers, from events, from what the rep does.
//
// What is offered, asked and pending is read off the sessions rather than kept from signals, so a lost signal can't
// leave a stale button. Watchers are told in batches, by topic: "me", "connection", "sessions", "selection", "log",
// "notices".

import { Unreachable } from "./api.js";
import { Marks } from "./marks.js";
import { Outbox } from "./outbox.js";
import { askedOf, called, groupOf, isAside, isIn, isNews, later, offerTo, pending } from "./reading.js";
import { Transcript } from "./transcript.js";
import { TYPES } from "./words.js";

const OPEN_STATUSES = ["active", "waiting", "inactive"];
const LIST_PAGE = 100;
const LOG_PAGE = 50;
const OLDER_PAGE = 200;
// The most that the API gives.
const FAR_PAGE = 1000;
const PREVIEW_PAGE = 20;
const WARM_AT_ONCE = 2;
const TYPING_LASTS_MS = 8_000;
const RELOAD_WAIT_MS = 2_000;
const FIELD_WAITS_MS = 2_000;
const FAILED_RESTS_MS = 10_000;

export class Desk {
  /** @type {import("./api.js").Api} */
  api;
  /** @type {{login: string, name: string, supervisor: boolean, presence: any}} */
  me;
  /** @type {boolean} */
  demo;
  /** @type {(alert: {text: string, session: string, urgent: boolean}) => void} */
  onAlert;
  /** @type {() => void} */
  onUnauthenticated;

  sessions = new Map();
  transcripts = new Map();
  selected = null;
  connection = { state: "connecting", retryAt: 0, lostAt: Date.now() };
  loaded = false;
  // Search: {q, ids} or null.
  found = null;
  // {id, session, text, tone}
  notices = [];
  // Session -> Map(who -> {name, role, until}).
  typing = new Map();
  names = new Map(); // "agent ben" -> "Ben"

  #watchers = new Map();
  #dirty = new Set();
  #warming = new Set();
  #toWarm = [];
  // By id, as last seen: signals name those that are gone.
  #invitations = new Map();
  #rung = new Set();
  #refreshing = new Map();
  #fieldWanted = 0;
  // How often the rep said it on this page.
  #presenceSaid = 0;
  #noticeNumber = 0;
  // The state was read anew since the stream last began without a number.
  #current = false;

  constructor({ api, me, demo = false, onAlert = () => {}, onUnauthenticated = () => {} }) {
    Object.assign(this, { api, me, demo, onAlert, onUnauthenticated });
    this.presence = me.presence ?? { status: "offline" };
    this.#learn("agent", me.login, me.name);
    this.marks = new Marks(me.login, () => this.#changed("sessions", "log"));
    this.outbox = new Outbox({
      login: me.login,
      send: (item) => (item.aside ? api.whisper(item.session, item) : api.say(item.session, item)),
      onSent: (item, answer) => this.#absorb(answer, item.session),
      onChange: (session) => session === this.selected && this.#changed("log"),
    });
  }

  // ------------------------------------------------------------------------------------------ watching

  /** Call `render` soon after any of the topics changed, once for many changes. Gives a function that ends it. */
  watch(topics, render) {
    for (const topic of topics) {
      if (!this.#watchers.has(topic)) this.#watchers.set(topic, new Set());
      this.#watchers.get(topic).add(render);
    }
    return () => {
      for (const topic of topics) this.#watchers.get(topic).delete(render);
    };
  }

  #changed(...topics) {
    if (!this.#dirty.size) queueMicrotask(() => this.#tell());
    for (const topic of topics) this.#dirty.add(topic);
  }

  #tell() {
    const renders = new Set([...this.#dirty].flatMap((topic) => [...(this.#watchers.get(topic) ?? [])]));
    this.#dirty.clear();
    for (const render of renders) {
      try {
        render();
      } catch (error) {
        // One broken part of the page must not silence the others.
        reportError(error);
      }
    }
  }

  // ----------------------------------------------------------------------------------------- the stream

  setConnection(next) {
    const lostAt = next.state === "live" ? 0 : this.connection.lostAt || Date.now();
    this.connection = { retryAt: 0, ...next, lostAt };
    this.#changed("connection");
  }

  /**
   * The stream is open. Unless it resumes where it was, read everything anew: something may have been missed. `gone`:
   * what was read may be of a time that was undone, so whatever is read now takes its place. */
  async opened(resumed, gone = false) {
    this.outbox.resume();
    if (gone) this.#distrust();
    if (!resumed) this.#current = false;
    if (!this.#current) await this.reload();
    else if (this.transcripts.get(this.selected)?.holey) await this.#catchUp(this.selected);
  }

  #distrust() {
    for (const [id, session] of this.sessions) this.sessions.set(id, { ...session, version: -1 });
    for (const id of this.transcripts.keys()) this.transcripts.set(id, new Transcript());
  }

  async reload() {
    // What the rep says meanwhile is later than what is read.
    const said = this.#presenceSaid;
    try {
      const [me, ...pages] = await Promise.all([
        this.api.me(),
        ...OPEN_STATUSES.map((status) => this.#allSessions(status)),
      ]);
      if (said === this.#presenceSaid) this.presence = me.presence ?? this.presence;
      const listed = new Map(pages.flat().map((session) => [session.id, session]));
      for (const [id, known] of this.sessions)
        if (!listed.has(id) && id !== this.selected && known.status !== "ended") this.sessions.delete(id);
      for (const session of listed.values()) this.#put(session);
      const kept = this.selected && this.transcripts.get(this.selected);
      this.transcripts.clear();
      if (kept) await this.#readAnew(this.selected, kept).catch((error) => this.#gone(error));
      this.loaded = true;
      this.#current = true;
      this.#changed("me", "sessions", "selection", "log");
    } catch (error) {
      if (error.status === 401) this.onUnauthenticated();
      else setTimeout(() => this.connection.state === "live" && !this.#current && this.reload(), RELOAD_WAIT_MS);
    }
  }

  async #allSessions(status) {
    const all = [];
    let cursor = null;
    do {
      const page = await this.api.sessions({ status, cursor, limit: LIST_PAGE });
      all.push(...page.items);
      cursor = page.next;
    } while (cursor && all.length < 1000);
    return all;
  }

  // The open session may be none of ours any more; any other failure is the reading's.
  #gone(error) {
    if (error.status !== 404) throw error;
    this.#forget(this.selected);
  }

  // What was on screen stays there until the new reading has come.
  async #readAnew(id, kept) {
    this.transcripts.set(id, kept);
    kept.rereading = true;
    const [session, page] = await Promise.all([this.api.session(id), this.api.entries(id, { limit: LOG_PAGE })]);
    this.#put(session);
    const fresh = new Transcript();
    fresh.addOlder(page);
    // Came while the page was read.
    for (const entry of kept.entries) if (entry.number > fresh.last) fresh.take(entry);
    this.transcripts.set(id, fresh);
    for (const number of kept.touched) this.#refetch(id, number);
  }

  take(event) {
    const { type, session_id: id, data } = event;
    if (type === "session") this.#put(data.session ?? data);
    else if (type === "session_gone") this.#forget(id);
    else if (type === "entry") this.#entry(id, data.entry ?? data);
    else if (type === "delivery") this.#delivered(id, data);
    else if (type === "media") this.#refetch(id, data.number);
    else if (type === "typing") this.#typed(id, data);
    else if (type === "presence") this.#presence(data);
    else if (type === "invitation_declined") this.#declined(id, data);
    else if (type === "invitation_closed") this.#closed(id, data);
    else if (type === "invitation_unavailable") this.#unavailable(id, data);
    else if (["work_offered", "work_withdrawn", "invitation_received"].includes(type)) this.#refresh(id);
  }

  #put(session) {
    const known = this.sessions.get(session.id);
    const now = later(known, session);
    this.sessions.set(session.id, now);
    for (const p of session.participants) if (p.role !== "end_user") this.#learn("agent", p.id, p.name);
    for (const invitation of session.invitations) this.#invitations.set(invitation.id, invitation);
    if (known && isIn(known, this.me.login) !== isIn(now, this.me.login)) {
      this.typing.delete(session.id);
      // What was refused before may be read now.
      this.transcript(session.id).failed = null;
    }
    if (this.transcripts.get(session.id)?.name(now.end_user.name)) this.#changed("log");
    if (known && known.access !== "full" && now.access === "full") this.#readWhole(session.id);
    this.#ring(now);
    this.#changed("sessions", ...(session.id === this.selected ? ["selection", "log"] : []));
  }

  // Of a conversation that the rep was only asked into, the page has the latest line: now all of it may be read.
  #readWhole(id) {
    this.transcripts.delete(id);
    if (id === this.selected) this.#loadFirst(id, LOG_PAGE);
    else this.warm(id);
  }

  #ring(session) {
    const offer = offerTo(session, this.me.login);
    const calls = [
      ...(offer ? [[`offer ${session.id} ${offer.offered_at}`, `${called(session.end_user)} is waiting`]] : []),
      ...askedOf(session, this.me.login).map((i) => [
        `invitation ${i.id}`,
        `${i.from_name} asks you to ${i.purpose === "transfer" ? "take over" : "join"}: ${called(session.end_user)}`,
      ]),
      ...(this.me.supervisor
        ? session.flags
            .filter((flag) => flag.raised_by !== this.me.login)
            .map((flag) => [
              `flag ${session.id} ${flag.raised_at}`,
              `${flag.raised_by_name} raised a flag: ${flag.text}`,
            ])
        : []),
    ];
    for (const [key, text] of calls) {
      if (this.#rung.has(key)) continue;
      this.#rung.add(key);
      this.onAlert({ text, session: session.id, urgent: true });
    }
  }

  #entry(id, entry) {
    const transcript = this.transcript(id);
    const isNew = transcript.take(entry);
    if (transcript.holey) this.#catchUp(id);
    if (
      !transcript.loaded &&
      (isIn(this.sessions.get(id) ?? { participants: [] }, this.me.login) || id === this.selected)
    )
      this.warm(id);
    if (entry.from && this.typing.get(id)?.delete(entry.from.id)) this.#changed("log");
    if (entry.from?.id === this.me.login) this.outbox.confirm(id, entry);
    if (["message_edited", "message_deleted"].includes(entry.kind) && entry.details?.number)
      this.#refetch(id, entry.details.number);
    if (entry.kind === "invitation_expired") this.#expired(id, entry);
    const session = this.sessions.get(id);
    if (session && entry.number > session.entry_count)
      this.sessions.set(id, {
        ...session,
        entry_count: entry.number,
        ...(entry.kind === "message" && { last_message_at: entry.at }),
      });
    if (isNew && isNews(entry) && session && isIn(session, this.me.login))
      this.onAlert({ text: `${called(entry.from)}: ${entry.text ?? ""}`, session: id, urgent: false });
    if (isNew && entry.kind === "whisper" && entry.from?.id !== this.me.login)
      this.onAlert({ text: `${entry.from?.name} (internal): ${entry.text ?? ""}`, session: id, urgent: false });
    this.#logChanged(id);
  }

  #logChanged(id) {
    this.#changed("sessions", ...(id === this.selected ? ["log"] : []));
  }

  #delivered(id, { number, delivery }) {
    const transcript = this.transcript(id);
    if (!transcript.loaded || transcript.rereading) transcript.touched.add(number);
    if (transcript.deliver(number, delivery)) this.#logChanged(id);
  }

  // A line has changed. One that changed while its page was being read is asked for again afterwards.
  async #refetch(id, number) {
    const transcript = this.transcript(id);
    if (!transcript.loaded || transcript.rereading) transcript.touched.add(number);
    if (!transcript.get(number)) return;
    await this.quietly(async () => {
      const page = await this.api.entries(id, { after: number - 1, limit: 1 });
      // Perhaps another by now.
      const now = this.transcript(id);
      for (const entry of page.items) if (now.get(entry.number)) now.put(entry);
      this.#logChanged(id);
    });
  }

  // Several reasons to look again at one time are one reason.
  #refresh(id) {
    if (!this.#refreshing.has(id))
      this.#refreshing.set(
        id,
        this.#read(id).finally(() => this.#refreshing.delete(id)),
      );
    return this.#refreshing.get(id);
  }

  async #read(id) {
    await this.quietly(
      async () => this.#put(await this.api.session(id)),
      (error) => error.status === 404 && this.#forget(id),
    );
  }

  // Not ours to see any more: somebody else took it.
  #forget(id) {
    if (!this.sessions.delete(id)) return;
    this.transcripts.delete(id);
    this.#changed("sessions", "selection", "log");
  }

  #typed(id, { who, on }) {
    const person =
      typeof who === "string"
        ? { id: who, name: this.name("agent", who), role: "rep" }
        : (who ?? { id: "end_user", role: "end_user", name: "The customer" });
    if (person.id === this.me.login) return;
    if (!this.typing.has(id)) this.typing.set(id, new Map());
    if (on) {
      this.typing.get(id).set(person.id, { ...person, until: Date.now() + TYPING_LASTS_MS });
      setTimeout(() => this.#changed("log", "sessions"), TYPING_LASTS_MS + 50);
    } else this.typing.get(id).delete(person.id);
    this.#logChanged(id);
  }

  #presence({ login, status }) {
    if (login !== this.me.login) return;
    this.presence = { ...this.presence, status };
    this.#changed("me");
  }

  // ------------------------------------------------------------------------------------------- notices

  /** Something to read above the log of a session (null: wherever the rep is). Gives its id. */
  notice(session, text, tone = "plain") {
    const id = ++this.#noticeNumber;
    this.notices = [...this.notices.slice(-19), { id, session, text, tone }];
    this.#changed("notices");
    return id;
  }

  dismiss(id) {
    this.notices = this.notices.filter((notice) => notice.id !== id);
    this.#changed("notices");
  }

  #declined(id, { invitation_id: invitationId, by, all }) {
    const invitation = this.#invitations.get(invitationId);
    const who = by?.name ?? this.name("agent", by);
    const recipient =
      invitation && invitation.recipient.type !== "agent" ? ` for ${this.recipientName(invitation.recipient)}` : "";
    const verb = invitation?.purpose === "transfer" ? "declined to take over" : "declined your invitation";
    this.notice(
      id,
      `${who} ${verb}${recipient}.${recipient && all === false ? " Others are still asked." : ""}`,
      "warn",
    );
  }

  // Said to those who were asked, who may no longer look it up: the event names whose request about whom it was.
  #closed(id, { reason, from, customer }) {
    const whose = from && customer ? `${from.name}’s request about ${customer.name}` : "the request";
    if (reason === "taken") this.notice(null, `Somebody else answered ${whose}.`, "plain");
    if (reason === "withdrawn") this.notice(null, `${sentenceCase(whose)} was withdrawn.`, "plain");
    if (reason === "unavailable")
      this.notice(null, `${sentenceCase(whose)} was withdrawn, because you aren’t online.`, "plain");
    this.#refresh(id);
  }

  #unavailable(id, { invitation_id: invitationId, by }) {
    const invitation = this.#invitations.get(invitationId);
    const what = invitation?.purpose === "transfer" ? "transfer" : "invitation";
    this.notice(id, `${by.name} is no longer online: your ${what} was withdrawn. Ask somebody else.`, "warn");
  }

  #expired(id, entry) {
    const invitation = this.#invitations.get(entry.details?.invitation_id);
    if (invitation?.from === this.me.login)
      this.notice(id, `${this.recipientName(invitation.recipient)} did not answer.`, "warn");
  }

  /** Do what the rep asked; a refusal becomes a notice, and `undefined` is given. */
  async act(session, work) {
    try {
      const answer = await work();
      this.#absorb(answer, session);
      return answer ?? true;
    } catch (error) {
      if (error.status === 401) this.onUnauthenticated();
      else
        this.notice(
          session,
          error instanceof Unreachable
            ? `${error.message} Nothing was changed as far as we know; try again.`
            : error.message,
          "bad",
        );
      // The page showed something that is no longer so.
      if (error.status === 409 && session) this.#refresh(session);
      return undefined;
    }
  }

  /** Do what nobody asked for: a failure is shown by the connection's state, or made up for by the next reading. */
  async quietly(work, failed = (_error) => {}) {
    try {
      return await work();
    } catch (error) {
      if (error.status === 401) this.onUnauthenticated();
      else failed(error);
      return undefined;
    }
  }

  #absorb(answer, id) {
    if (!answer || typeof answer !== "object") return;
    if (answer.participants && answer.channel_id) this.#put(answer);
    if (answer.session?.participants) this.#put(answer.session);
    // An answer's entry is as it was written; the stream's may be there already, and tells more (a file's address,
    // say).
    if (answer.number && answer.kind && id && !this.transcript(id).get(answer.number)) {
      this.#entry(id, answer);
      if (answer.parts?.some((part) => part.type === "media")) this.#refetch(id, answer.number);
    }
    if (answer.warning) this.notice(id, answer.warning, "warn");
  }

  // ------------------------------------------------------------------------------------- sessions and logs

  transcript(id) {
    if (!this.transcripts.has(id)) this.transcripts.set(id, new Transcript());
    return this.transcripts.get(id);
  }

  /** The sessions of each group, latest activity first; a flag that was raised first comes first. */
  get groups() {
    const groups = { flagged: [], mine: [], waiting: [], others: [] };
    for (const session of this.sessions.values()) groups[groupOf(session, this.me)]?.push(session);
    const activity = (s) => s.last_message_at ?? s.opened_at;
    for (const list of Object.values(groups))
      list.sort((a, b) => (activity(a) < activity(b) ? 1 : activity(a) > activity(b) ? -1 : a.id < b.id ? -1 : 1));
    groups.flagged.sort((a, b) => (a.flag.raised_at < b.flag.raised_at ? -1 : 1));
    // Who waits longest stands first.
    groups.waiting.reverse();
    return groups;
  }

  /** Work that routing offers and invitations that wait for the rep, the most urgent first. */
  get calls() {
    const calls = [];
    for (const session of this.sessions.values()) {
      const offer = offerTo(session, this.me.login);
      if (offer) calls.push({ key: `offer ${session.id}`, kind: "offer", session, expires_at: offer.expires_at });
      for (const invitation of askedOf(session, this.me.login))
        calls.push({ key: invitation.id, kind: "invitation", session, invitation, expires_at: invitation.expires_at });
    }
    return calls.sort((a, b) => (a.expires_at < b.expires_at ? -1 : 1));
  }

  /** The entry whose note asked this rep into the session, as they last joined; null: none, or it isn't loaded. */
  noteTo(session) {
    if (!isIn(session, this.me.login)) return null;
    const { entries } = this.transcript(session.id);
    const joined = entries.findLast(
      (entry) => entry.kind === "participant_joined" && entry.details.participant?.id === this.me.login,
    );
    const asked = joined?.details.invitation_id;
    return (
      (asked &&
        entries.find((entry) => entry.kind === "invited" && entry.text && entry.details.invitation_id === asked)) ||
      null
    );
  }

  get current() {
    return this.sessions.get(this.selected) ?? null;
  }

  /** The names for ids; an id where no name is known. */
  name(type, id) {
    return (
      this.names.get(`${type} ${id}`) ??
      this.names.get(`agent ${id}`) ??
      this.names.get(`queue ${id}`) ??
      this.names.get(`flow ${id}`) ??
      id
    );
  }

  recipientName({ type, id, name = this.name(type, id) }) {
    return type === "agent" ? name : `${TYPES[type] ?? type} ${name}`;
  }

  #learn(type, id, name) {
    this.names.set(`${type} ${id}`, name);
  }

  pendingOf(session) {
    return pending(session);
  }

  typingIn(id) {
    const now = Date.now();
    return [...(this.typing.get(id)?.values() ?? [])].filter((person) => person.until > now);
  }

  /** How many messages of the customer the rep has not seen, as far as the loaded part tells. */
  unread(id) {
    const transcript = this.transcripts.get(id);
    const seen = this.marks.readUpTo(id) ?? 0;
    let count = 0;
    for (let n = (transcript?.entries.length ?? 0) - 1; n >= 0 && transcript.entries[n].number > seen; n -= 1)
      if (isNews(transcript.entries[n])) count += 1;
    return count;
  }

  /** The customer's or a rep's latest words, for the list. */
  preview(id) {
    const entries = this.transcripts.get(id)?.entries ?? [];
    for (let n = entries.length - 1; n >= 0; n -= 1) if (entries[n].kind === "message") return entries[n];
    return null;
  }

  async select(id) {
    if (this.selected === id) return;
    this.selected = id;
    this.#changed("selection", "log", "sessions", "notices");
    if (!id) return;
    const transcript = this.transcript(id);
    if (!this.sessions.has(id)) await this.act(null, () => this.api.session(id));
    if (transcript.loaded) await this.#catchUp(id);
    else await this.#loadFirst(id, LOG_PAGE);
  }

  // What lies beyond what is known: a rep who was away from the session was told nothing meanwhile.
  async #catchUp(id) {
    const transcript = this.transcript(id);
    if (transcript.catching) return;
    transcript.catching = true;
    await this.quietly(async () => {
      let page;
      do {
        page = await this.api.entries(id, { after: transcript.known, limit: OLDER_PAGE });
        transcript.addNewer(page);
      } while (page.items.length === OLDER_PAGE);
    });
    transcript.catching = false;
    this.#logChanged(id);
  }

  async #loadFirst(id, limit) {
    const transcript = this.transcript(id);
    if (transcript.loaded || transcript.loading) return;
    transcript.loading = true;
    try {
      transcript.addOlder(await this.api.entries(id, { limit }));
      transcript.failed = null;
      for (const number of transcript.touched) this.#refetch(id, number);
      transcript.touched.clear();
    } catch (error) {
      transcript.failed = error.message;
      setTimeout(() => {
        transcript.failed = null;
        this.#logChanged(id);
      }, FAILED_RESTS_MS);
      if (error.status === 401) this.onUnauthenticated();
    } finally {
      transcript.loading = false;
    }
    this.#logChanged(id);
  }

  /** The next older page, a big one for a reader who leapt `far` back; nothing when one is on its way. */
  async loadOlder(id, { far = false } = {}) {
    const transcript = this.transcript(id);
    if (!transcript.loaded) return this.#loadFirst(id, LOG_PAGE);
    if (!transcript.remaining || transcript.loading) return undefined;
    transcript.loading = true;
    await this.quietly(async () =>
      transcript.addOlder(await this.api.entries(id, { before: transcript.first, limit: far ? FAR_PAGE : OLDER_PAGE })),
    );
    transcript.loading = false;
    this.#logChanged(id);
    return undefined;
  }

  /** A row of the list came into view: read its latest lines, a few rows at a time. */
  warm(id) {
    const transcript = this.transcripts.get(id);
    if (
      transcript?.loaded ||
      transcript?.loading ||
      transcript?.failed ||
      this.#warming.has(id) ||
      this.#toWarm.includes(id)
    )
      return;
    this.#toWarm.push(id);
    this.#warmNext();
  }

  async #warmNext() {
    if (this.#warming.size >= WARM_AT_ONCE || !this.#toWarm.length) return;
    // What came into view last is what is looked at.
    const id = this.#toWarm.pop();
    this.#warming.add(id);
    await this.#loadFirst(id, PREVIEW_PAGE);
    this.#warming.delete(id);
    this.#warmNext();
  }

  /** The rep has seen the log's end. */
  seen(id) {
    const last = this.transcripts.get(id)?.last;
    if (last && this.marks.read(id, last)) this.#changed("sessions");
  }

  async search(q) {
    const wanted = q.trim();
    this.wanted = wanted;
    if (!wanted) {
      this.found = null;
      this.#changed("sessions");
      return;
    }
    const page = await this.quietly(() => this.api.sessions({ q: wanted, limit: 50 }));
    // An answer to an older question.
    if (this.wanted !== wanted || !page) return;
    for (const session of page.items) this.#put(session);
    this.found = { q: wanted, ids: page.items.map((session) => session.id) };
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

  /** Whoever opens the demo's desk is there to work, unless they have said otherwise. False when they are not. */
  async present() {
    if (this.presence.status === "offline" && !this.#presenceSaid) await this.setPresence("online");
    return this.presence.status !== "offline";
  }

  /** Say whether one may be given work. False when it was refused. */
  async setPresence(status) {
    this.#presenceSaid += 1;
    const before = this.presence;
    this.presence = { ...before, status };
    this.#changed("me");
    const answer = await this.act(null, () => this.api.setPresence(status));
    this.presence = answer?.status ? answer : before;
    this.#changed("me");
    return Boolean(answer);
  }

  /** Take offered work, or come in. False when it was refused. */
  async accept({ kind, session, invitation }) {
    const done = await this.act(null, () =>
      kind === "offer" ? this.api.accept(session.id) : this.api.acceptInvitation(session.id, invitation.id),
    );
    await this.#refresh(session.id);
    if (done) this.wantField();
    return Boolean(done);
  }

  async decline(call) {
    const id = call.session.id;
    await this.act(null, () =>
      call.kind === "offer" ? this.api.decline(id) : this.api.declineInvitation(id, call.invitation.id),
    );
    await this.#refresh(id);
  }

  async destinations(id, query) {
    const page = await this.api.destinations(id, query);
    for (const destination of page.items) this.#learn(destination.type, destination.id, destination.name);
    return page;
  }

  close() {
    this.marks.close();
  }
}

const sentenceCase = (words) => words[0].toUpperCase() + words.slice(1);

export { isAside };
