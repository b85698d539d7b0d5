// What a session says, asked as questions. Pure functions of the shapes of API v1.

/** The participants that count as reps. */
export const reps = (session) => session.participants.filter((p) => p.role === "rep" || p.role === "bot");

export const isIn = (session, login) => reps(session).some((p) => p.id === login);

/** Open to what reps do: neither waiting for one, nor over. */
export const isOpen = (session) => session.status !== "ended";

/** Routing's offer to this rep, or null. */
export const offerTo = (session, login) => (session.offer?.rep === login && isOpen(session) ? session.offer : null);

/** Open invitations that wait for this rep's answer. */
export const askedOf = (session, login) =>
  session.invitations.filter(
    (i) =>
      i.status === "open" &&
      i.asked.includes(login) &&
      !i.declined.includes(login) &&
      i.from !== login &&
      !isIn(session, login),
  );

/** Open invitations that the reps in the session wait for. */
export const pending = (session) => session.invitations.filter((i) => i.status === "open");

/** A participant's or an entry's name for a login, where the session knows one. */
export const nameIn = (session, id) => session.participants.find((p) => p.id === id)?.name;

/**
 * What somebody is called: their name; of a customer whose channel tells none, something shorter than an address that
 * says nothing.
 */
export function called({ id, name }) {
  return name === id && name.length > 16 && !/^[+\d][\d\s()-]*$/.test(name) ? `Customer ${name.slice(-4)}` : name;
}

/** Of two readings of a session the later one: answers and events may overtake each other. */
export const later = (known, read) => (known && known.version > read.version ? known : read);

/** The group of the list that a session stands in for this rep; null: in none. */
export function groupOf(session, me) {
  if (session.status === "ended") return null;
  // Stands above the list, with a countdown.
  if (offerTo(session, me.login)) return null;
  if (me.supervisor && session.flag) return "flagged";
  if (isIn(session, me.login)) return "mine";
  if (session.status === "waiting") return "waiting";
  return me.supervisor ? "others" : null;
}

export const GROUPS = ["flagged", "mine", "waiting", "others"];

/** What a message to the customer has come to: the least of its parts, for one text may be several messages. */
export function fate(entry) {
  const order = ["failed", "unknown", "skipped", "queued", "sending", "sent", "delivered", "read"];
  return (entry.delivery ?? []).reduce(
    (least, part) => (!least || order.indexOf(part.status) < order.indexOf(least.status) ? part : least),
    null,
  );
}

/** Whether an entry belongs to the side thread, which the customer never sees. */
export const isAside = (entry) =>
  entry.kind === "whisper" || entry.kind === "flag_raised" || entry.kind === "flag_lowered";

/** Whether a rep counts an entry as unread: what the customer wrote. */
export const isNews = (entry) => entry.kind === "message" && entry.from?.role === "end_user";
