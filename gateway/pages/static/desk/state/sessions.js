// What sessions say, asked as questions: of one of them, and of all that the desk knows. Pure functions of API v1's
// shapes.

/** @typedef {import("../../../types.js").Call} Call */

/**
 * The participants that count as reps.
 * @param {V1.Session} session
 */
export const reps = (session) => session.participants.filter(({ role }) => role === "rep" || role === "bot");

/** @type {(session: V1.Session, login: string) => boolean} */
export const isIn = (session, login) => reps(session).some(({ id }) => id === login);

/**
 * Where reps work in a session that Salesforce controls, as a sentence; empty for our own.
 * @type {(session: V1.Session) => string}
 */
export const elsewhere = ({ can: { invite } }) =>
  invite.code === "conferencing_controlled_by_salesforce" ? (invite.reason ?? "") : "";

/**
 * Routing's offer to this rep, or null.
 * @type {(session: V1.Session, login: string) => V1.Offer | null}
 */
export const offerTo = ({ offer, status }, login) => (offer?.rep === login && status !== "ended" ? offer : null);

/**
 * Open invitations that wait for this rep's answer.
 * @type {(session: V1.Session, login: string) => V1.Invitation[]}
 */
export const askedOf = (session, login) =>
  pending(session).filter(
    ({ asked, declined, from }) =>
      asked.includes(login) && !declined.includes(login) && from !== login && !isIn(session, login),
  );

/**
 * Open invitations that the reps in the session wait for.
 * @type {(session: V1.Session) => V1.Invitation[]}
 */
export const pending = ({ invitations }) => invitations.filter(({ status }) => status === "open");

/**
 * What somebody is called: their name; of a customer whose channel tells none, something shorter than an address that
 * says nothing.
 * @param {{id: string, name: string}} person
 */
export function called({ id, name }) {
  return name === id && name.length > 16 && !/^[+\d][\d\s()-]*$/.test(name) ? `Customer ${name.slice(-4)}` : name;
}

/**
 * Of two readings of a session the later one: answers and events may overtake each other.
 * @type {(known: V1.Session | undefined, read: V1.Session) => V1.Session}
 */
export const later = (known, read) => (known && known.version > read.version ? known : read);

/**
 * A session once an entry was added to it.
 * @type {(session: V1.Session, entry: V1.Entry) => V1.Session}
 */
export function withEntry(session, { number, kind, at }) {
  if (number <= session.entry_count) return session;
  return { ...session, entry_count: number, ...(kind === "message" && { last_message_at: at }) };
}

/** @type {readonly ("flagged" | "mine" | "waiting" | "others")[]} */
export const GROUPS = ["flagged", "mine", "waiting", "others"];

/**
 * The group of the list that a session stands in for this rep; null: in none.
 * @type {(session: V1.Session, me: V1.Me) => "flagged" | "mine" | "waiting" | "others" | null}
 */
export function groupOf(session, me) {
  if (session.status === "ended") return null;
  // Stands above the list, with a countdown.
  if (offerTo(session, me.login)) return null;
  if (me.supervisor && session.flag) return "flagged";
  if (isIn(session, me.login)) return "mine";
  if (session.status === "waiting") return "waiting";
  return me.supervisor ? "others" : null;
}

/**
 * The sessions of each group, latest activity first; a flag that was raised first comes first, and who waits longest.
 * @param {Iterable<V1.Session>} sessions
 * @param {V1.Me} me
 */
export function grouped(sessions, me) {
  /** @type {Record<"flagged" | "mine" | "waiting" | "others", V1.Session[]>} */
  const groups = { flagged: [], mine: [], waiting: [], others: [] };
  for (const session of sessions) {
    const group = groupOf(session, me);
    if (group) groups[group].push(session);
  }
  /** @type {(session: V1.Session) => string} */
  const activity = ({ last_message_at: last, opened_at: opened }) => last ?? opened;
  for (const list of Object.values(groups)) list.sort(by(activity, -1));
  groups.flagged.sort(by(({ flag }) => flag?.raised_at ?? "", 1));
  groups.waiting.reverse();
  return groups;
}

/**
 * Orders by what `value` gives, up (1) or down (-1), and by the id where that is the same.
 * @type {(value: (session: V1.Session) => string, way: 1 | -1) => (a: V1.Session, b: V1.Session) => number}
 */
const by = (value, way) => (a, b) => {
  const [one, other] = [value(a), value(b)];
  if (one === other) return a.id < b.id ? -1 : 1;
  return one < other ? -way : way;
};

/**
 * Work that routing offers and invitations that wait for the rep, the most urgent first.
 * @param {Iterable<V1.Session>} sessions
 * @param {string} login
 */
export function callsFor(sessions, login) {
  /** @type {Call[]} */
  const calls = [];
  for (const session of sessions) {
    const offer = offerTo(session, login);
    if (offer) calls.push({ key: `offer ${session.id}`, session, expires_at: offer.expires_at });
    for (const invitation of askedOf(session, login)) {
      calls.push({ key: invitation.id, session, invitation, expires_at: invitation.expires_at });
    }
  }
  return calls.sort((a, b) => (a.expires_at < b.expires_at ? -1 : 1));
}

/**
 * What a session calls this rep for, each with a key that is its own for ever: an offer, an invitation, a flag.
 * @param {V1.Session} session
 * @param {V1.Me} me
 */
export function alertsOf(session, { login, supervisor }) {
  const customer = called(session.end_user);
  /** @type {[key: string, text: string][]} */
  const alerts = [];
  const offer = offerTo(session, login);
  if (offer) alerts.push([`offer ${session.id} ${offer.offered_at}`, `${customer} is waiting`]);
  for (const { id, from_name: asker, purpose } of askedOf(session, login)) {
    alerts.push([`invitation ${id}`, `${asker} asks you to ${ASKED_TO[purpose]}: ${customer}`]);
  }
  for (const flag of supervisor ? session.flags : []) {
    if (flag.raised_by === login) continue;
    alerts.push([`flag ${session.id} ${flag.raised_at}`, `${flag.raised_by_name} raised a flag: ${flag.text}`]);
  }
  return alerts;
}

/** What a rep is asked to do, by the purpose of the invitation. */
export const ASKED_TO = { invite: "join", transfer: "take over" };
