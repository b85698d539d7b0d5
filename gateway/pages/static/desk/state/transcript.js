// One session's transcript as far as the page has it: an unbroken run of entries up to the newest, and how many older
// ones remain.
//
// The numbers that a rep sees have gaps, for some entries are for others. So a gap alone tells nothing: `known` says up
// to which number nothing is missing, and an event beyond the next number is a reason to ask for what lies between (a
// rep who left and came back was told nothing meanwhile).

/**
 * An entry as it is shown: with the words of its latest edit.
 * @typedef {V1.Entry} Entry
 */

/**
 * Whether an entry belongs to the side thread, which the customer never sees.
 * @param {Entry} entry
 */
export const isAside = ({ kind }) => kind === "whisper" || kind === "flag_raised" || kind === "flag_lowered";

/**
 * Whether a rep counts an entry as unread: what the customer wrote.
 * @param {Entry} entry
 */
export const isNews = ({ kind, from }) => kind === "message" && from?.role === "end_user";

const FATES = ["failed", "unknown", "skipped", "queued", "sending", "sent", "delivered", "read"];

/**
 * What a message to the customer has come to: the least of its parts, for one text may be several messages.
 * @param {Entry} entry
 */
export function fate({ delivery }) {
  /** @type {(part: V1.Delivery) => number} */
  const order = ({ status }) => FATES.indexOf(status);
  return delivery.length ? delivery.reduce((least, part) => (order(part) < order(least) ? part : least)) : null;
}

export class Transcript {
  /**
   * By number, ascending.
   * @type {Entry[]}
   */
  entries = [];
  /**
   * How many older ones the server has yet; null: nothing is loaded.
   * @type {number | null}
   */
  remaining = null;
  // Up to here nothing is missing.
  known = 0;
  loading = false;
  // What lies beyond `known` is being asked for.
  catching = false;
  // Another is being read to take its place.
  rereading = false;
  /** @type {string | null} */
  failed = null;
  /**
   * Numbers of lines that changed while a page was being read.
   * @type {Set<number>}
   */
  touched = new Set();
  /**
   * Number -> Map(who -> emoji).
   * @type {Map<number, Map<string | undefined, string>>}
   */
  reactions = new Map();
  /**
   * Number -> the latest entry that edits it.
   * @type {Map<number, Entry>}
   */
  #edits = new Map();
  /**
   * Came by events before the first page.
   * @type {Entry[]}
   */
  #early = [];

  get loaded() {
    return this.remaining !== null;
  }

  get first() {
    return this.entries[0]?.number ?? null;
  }

  get last() {
    return this.entries.at(-1)?.number ?? 0;
  }

  /** Whether something between `known` and the newest entry may be missing. */
  get holey() {
    return this.loaded && this.last > this.known;
  }

  /** The side thread. */
  get asides() {
    return this.entries.filter(isAside);
  }

  /** The customer's or a rep's latest words, or null. */
  get latestMessage() {
    return this.entries.findLast(({ kind }) => kind === "message") ?? null;
  }

  /**
   * How many messages of the customer come after an entry's number, as far as the loaded part tells.
   * @param {number} number
   */
  newsAfter(number) {
    return this.entries.slice(this.#place(number + 1)).filter(isNews).length;
  }

  /**
   * The entry whose note asked a rep into the session, as they last joined; null: none, or it isn't loaded.
   * @param {string} login
   */
  noteTo(login) {
    const joined = this.entries.findLast(
      ({ kind, details }) => kind === "participant_joined" && details.participant?.id === login,
    );
    const asked = joined?.details.invitation_id;
    if (!asked) return null;
    return (
      this.entries.find(({ kind, text, details }) => kind === "invited" && text && details.invitation_id === asked) ??
      null
    );
  }

  /**
   * The first page, or an older one; `remaining` counts what lies before it.
   * @param {V1.ListOfEntry} page
   */
  addOlder(page) {
    const begins = !this.loaded;
    for (const entry of page.items) this.put(entry);
    this.remaining = page.next === null ? 0 : (page.remaining ?? Math.max(0, (this.first ?? 1) - 1));
    if (!begins) return;
    this.known = this.last;
    // The page tells more of the others.
    for (const entry of this.#early.splice(0)) if (entry.number > this.known) this.take(entry);
  }

  /**
   * A page of what comes after `known`.
   * @param {V1.ListOfEntry} page
   */
  addNewer(page) {
    for (const entry of page.items) this.put(entry);
    this.known = Math.max(this.known, page.items.at(-1)?.number ?? 0);
  }

  /**
   * An entry of an event. Gives true when it was not there before.
   * @param {Entry} entry
   */
  take(entry) {
    if (!this.loaded) {
      this.#early.push(entry);
      return true;
    }
    if (entry.number === this.known + 1) this.known = entry.number;
    return this.put(entry);
  }

  /**
   * Put an entry where its number belongs. Gives true when it was not there before.
   * @param {Entry} entry
   */
  put(entry) {
    const place = this.#place(entry.number);
    const known = this.get(entry.number);
    // A reading that was begun before an event may come after it: how a message fares never goes back.
    const merged = known ? { ...entry, delivery: furthest(known.delivery, entry.delivery) } : entry;
    this.entries.splice(place, known ? 1 : 0, this.#edited(merged));
    const about = entry.details.number;
    if (entry.kind === "reaction" && about) this.#react(entry);
    if (entry.kind === "message_edited" && about && (this.#edits.get(about)?.number ?? 0) < entry.number) {
      this.#edits.set(about, entry);
      const original = this.get(about);
      if (original) this.put(original);
    }
    return !known;
  }

  /**
   * The new words stand in an entry of their own; the message is shown with them.
   * @param {Entry} entry
   */
  #edited(entry) {
    const edit = this.#edits.get(entry.number);
    return edit && !entry.deleted ? { ...entry, edited: true, text: edit.text, parts: edit.parts } : entry;
  }

  /** @param {number} number */
  get(number) {
    const entry = this.entries[this.#place(number)];
    return entry?.number === number ? entry : null;
  }

  /**
   * The customer's name is known now: lines from before it bear something else. False when there are none.
   * @param {string} name
   */
  name(name) {
    const nameless = this.entries.filter(({ from }) => from?.role === "end_user" && from.name !== name);
    for (const entry of nameless) if (entry.from) this.put({ ...entry, from: { ...entry.from, name } });
    return nameless.length > 0;
  }

  /**
   * How a message fares, by an event. False when the message isn't here.
   * @param {number} number
   * @param {V1.Delivery[]} delivery
   */
  deliver(number, delivery) {
    const entry = this.get(number);
    if (entry) this.put({ ...entry, delivery });
    return Boolean(entry);
  }

  /** @param {Entry} entry */
  #react({ details, from }) {
    const reactions = new Map(this.reactions.get(details.number));
    if (details.emoji) reactions.set(from?.id, details.emoji);
    else reactions.delete(from?.id);
    this.reactions.set(details.number, reactions);
  }

  /**
   * Where the entry of a number is, or would be.
   * @param {number} number
   */
  #place(number) {
    let low = 0;
    let high = this.entries.length;
    if (this.last < number) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].number < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Of two readings of each part the later one.
 * @param {V1.Delivery[]} known
 * @param {V1.Delivery[]} read
 */
function furthest(known, read) {
  const parts = new Map(known.map((part) => [part.outbox_id, part]));
  for (const part of read) {
    const before = parts.get(part.outbox_id);
    if (!before || Date.parse(before.at) <= Date.parse(part.at)) parts.set(part.outbox_id, part);
  }
  return [...parts.values()];
}
