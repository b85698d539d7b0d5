// How far a rep has read, and what they began to write: kept in the browser for the rep, so that two tabs agree and a
// reload loses nothing.

const KEPT = 500;

export class Marks {
  /** @type {{[session: string]: number}} */
  #read = {};
  /** @type {{[session: string]: string}} */
  #drafts = {};
  #keys;
  #listener;

  /**
   * @param {string} login
   * @param {() => void} onChange another tab has read or written something
   */
  constructor(login, onChange) {
    this.#keys = { read: `byoc.desk.${login}.read`, drafts: `byoc.desk.${login}.drafts` };
    this.#load();
    /** @param {StorageEvent} event */
    this.#listener = ({ key }) => {
      if (key !== this.#keys.read && key !== this.#keys.drafts) return;
      this.#load();
      onChange();
    };
    addEventListener("storage", this.#listener);
  }

  close() {
    removeEventListener("storage", this.#listener);
  }

  /**
   * The number of the last entry that the rep has seen; null: none was ever seen in this browser.
   * @param {string} session
   */
  readUpTo(session) {
    return this.#read[session] ?? null;
  }

  /** @type {(session: string, number: number) => boolean} */
  read(session, number) {
    if ((this.#read[session] ?? -1) >= number) return false;
    // Another tab may have read further in another session.
    this.#load();
    this.#read[session] = Math.max(number, this.#read[session] ?? 0);
    keep(this.#keys.read, this.#read);
    return true;
  }

  /** @param {string} session */
  draft(session) {
    return this.#drafts[session] ?? "";
  }

  /** @type {(session: string, text: string) => void} */
  write(session, text) {
    if (this.draft(session) === text) return;
    this.#load();
    delete this.#drafts[session];
    if (text) this.#drafts[session] = text;
    keep(this.#keys.drafts, this.#drafts);
  }

  #load() {
    this.#read = stored(this.#keys.read);
    this.#drafts = stored(this.#keys.drafts);
  }
}

/** @type {(key: string, value: object) => void} */
function keep(key, value) {
  const latest = Object.entries(value).slice(-KEPT);
  try {
    localStorage.setItem(key, JSON.stringify(Object.fromEntries(latest)));
  } catch {
    // A full or forbidden store costs the marks of the next reload, nothing else.
  }
}

/** @param {string} key */
function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}");
  } catch {
    return {};
  }
}
