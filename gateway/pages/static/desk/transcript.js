// One session's transcript as far as the page has it: an unbroken run of entries up to the newest, and how many older
// ones remain.
//
// The numbers that a rep sees have gaps, for some entries are for others. So a gap alone tells nothing: `known` says
// up to which number nothing is missing, and an event beyond the next number is a reason to ask for what lies between
// (a rep who left and came back was told nothing meanwhile).

import { isAside } from "./reading.js";

export class Transcript {
  // By number, ascending.
  entries = [];
  // How many older ones the server has yet; null: nothing is loaded.
  remaining = null;
  // Up to here nothing is missing.
  known = 0;
  loading = false;
  // Another is being read to take its place.
  rereading = false;
  failed = null;
  // Numbers of lines that changed while a page was being read.
  touched = new Set();
  // Number -> Map(who -> emoji).
  reactions = new Map();
  // Number -> the latest entry that edits it.
  #edits = new Map();
  // Came by events before the first page.
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

  /** The first page, or an older one; `remaining` counts what lies before it. */
  addOlder(page) {
    const begins = !this.loaded;
    for (const entry of page.items) this.put(entry);
    this.remaining = page.next === null ? 0 : (page.remaining ?? Math.max(0, (this.first ?? 1) - 1));
    if (!begins) return;
    this.known = this.last;
    // The page tells more of the others.
    for (const entry of this.#early.splice(0)) if (entry.number > this.known) this.take(entry);
  }

  /** A page of what comes after `known`. */
  addNewer(page) {
    for (const entry of page.items) this.put(entry);
    this.known = Math.max(this.known, page.items.at(-1)?.number ?? 0);
  }

  /** An entry of an event. Gives true when it was not there before. */
  take(entry) {
    if (!this.loaded) {
      this.#early.push(entry);
      return true;
    }
    if (entry.number === this.known + 1) this.known = entry.number;
    return this.put(entry);
  }

  /** Whether something between `known` and the newest entry may be missing. */
  get holey() {
    return this.loaded && this.last > this.known;
  }

  /** Put an entry where its number belongs. Gives true when it was not there before. */
  put(entry) {
    const place = this.#place(entry.number);
    const known = this.entries[place]?.number === entry.number ? this.entries[place] : null;
    // A reading that was begun before an event may come after it: how a message fares never goes back.
    const merged = known ? { ...entry, delivery: furthest(known.delivery, entry.delivery) } : entry;
    this.entries.splice(place, known ? 1 : 0, this.#edited(merged));
    const about = entry.details?.number;
    if (entry.kind === "reaction" && about) this.#react(entry);
    if (entry.kind === "message_edited" && about && (this.#edits.get(about)?.number ?? 0) < entry.number) {
      this.#edits.set(about, entry);
      const original = this.get(about);
      if (original) this.put(original);
    }
    return !known;
  }

  // The new words stand in an entry of their own; the message is shown with them.
  #edited(entry) {
    const edit = this.#edits.get(entry.number);
    return edit && !entry.deleted ? { ...entry, edited: true, text: edit.text, parts: edit.parts } : entry;
  }

  get(number) {
    const entry = this.entries[this.#place(number)];
    return entry?.number === number ? entry : null;
  }

  /** The customer's name is known now: lines from before it bear something else. False when there are none. */
  name(name) {
    const nameless = this.entries.filter(({ from }) => from?.role === "end_user" && from.name !== name);
    for (const entry of nameless) this.put({ ...entry, from: { ...entry.from, name } });
    return nameless.length > 0;
  }

  /** How a message fares, by an event. False when the message isn't here. */
  deliver(number, delivery) {
    const entry = this.get(number);
    if (entry) this.put({ ...entry, delivery });
    return Boolean(entry);
  }

  /** The side thread. */
  get asides() {
    return this.entries.filter(isAside);
  }

  #react({ details, from }) {
    const reactions = new Map(this.reactions.get(details.number));
    if (details.emoji) reactions.set(from?.id, details.emoji);
    else reactions.delete(from?.id);
    this.reactions.set(details.number, reactions);
  }

  #place(number) {
    let low = 0;
    let high = this.entries.length;
    if (high && this.entries[high - 1].number < number) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].number < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

// Of two readings of each part the later one.
function furthest(known = [], read = []) {
  const parts = new Map(known.map((part) => [part.outbox_id, part]));
  for (const part of read) {
    const before = parts.get(part.outbox_id);
    if (!before || Date.parse(before.at) <= Date.parse(part.at)) parts.set(part.outbox_id, part);
  }
  return [...parts.values()];
}
