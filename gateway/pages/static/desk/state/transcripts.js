// The transcripts that the page has, and what is asked of the server to fill them: first pages, older ones, what was
// missed, lines that changed.

import { Transcript } from "./transcript.js";

const PAGE = 50;
const PREVIEW_PAGE = 20;
const OLDER_PAGE = 200;
// The most that the API gives.
const FAR_PAGE = 1000;
const WARM_AT_ONCE = 2;
const FAILED_RESTS_MS = 10_000;

/** @typedef {(work: () => Promise<void>, failed?: (error: Error) => void) => Promise<unknown>} Quietly */

export class Transcripts {
  /** @type {Map<string, Transcript>} */
  #known = new Map();
  /** @type {Set<string>} */
  #warming = new Set();
  /** @type {string[]} */
  #toWarm = [];
  #api;
  #quietly;
  #onChange;

  /**
   * `quietly` does what nobody asked for; `onChange(session)` is called when the entries of one have changed.
   * @param {{api: import("../api.js").Api, quietly: Quietly, onChange: (session: string) => void}} given
   */
  constructor({ api, quietly, onChange }) {
    this.#api = api;
    this.#quietly = quietly;
    this.#onChange = onChange;
  }

  /**
   * A session's, empty when nothing of it is known.
   * @param {string} id
   */
  of(id) {
    const transcript = this.#known.get(id) ?? new Transcript();
    this.#known.set(id, transcript);
    return transcript;
  }

  /** @param {string} id */
  forget(id) {
    this.#known.delete(id);
  }

  /** What was read may be of a time that was undone: whatever is read from now on takes its place. */
  distrust() {
    for (const id of this.#known.keys()) this.#known.set(id, new Transcript());
  }

  /**
   * Something may have been missed: forget all but the one on screen, which stays until the new reading is there.
   * @param {string | null} shown
   * @param {(id: string) => Promise<unknown>} readSession reads the session of the one that is shown
   */
  async readAnew(shown, readSession) {
    const kept = shown && this.#known.get(shown);
    this.#known.clear();
    if (!kept) return;
    this.#known.set(shown, kept);
    kept.rereading = true;
    const [, page] = await Promise.all([readSession(shown), this.#api.entries(shown, { limit: PAGE })]);
    const fresh = new Transcript();
    fresh.addOlder(page);
    // Came while the page was read.
    for (const entry of kept.entries) if (entry.number > fresh.last) fresh.take(entry);
    this.#known.set(shown, fresh);
    for (const number of kept.touched) this.refetch(shown, number);
  }

  /**
   * What lies beyond what is known: a rep who was away from the session was told nothing meanwhile.
   * @param {string} id
   */
  async catchUp(id) {
    const transcript = this.of(id);
    if (transcript.catching) return;
    transcript.catching = true;
    await this.#quietly(async () => {
      let page;
      do {
        page = await this.#api.entries(id, { after: transcript.known, limit: OLDER_PAGE });
        transcript.addNewer(page);
      } while (page.items.length === OLDER_PAGE);
    });
    transcript.catching = false;
    this.#onChange(id);
  }

  /** @param {string} id */
  async loadFirst(id, limit = PAGE) {
    const transcript = this.of(id);
    if (transcript.loaded || transcript.loading || transcript.failed) return;
    transcript.loading = true;
    await this.#quietly(
      async () => {
        transcript.addOlder(await this.#api.entries(id, { limit }));
        transcript.failed = null;
        for (const number of transcript.touched) this.refetch(id, number);
        transcript.touched.clear();
      },
      (error) => this.#rest(id, transcript, error),
    );
    transcript.loading = false;
    this.#onChange(id);
  }

  /** @type {(id: string, transcript: Transcript, error: Error) => void} */
  #rest(id, transcript, error) {
    transcript.failed = error.message;
    setTimeout(() => {
      transcript.failed = null;
      this.#onChange(id);
    }, FAILED_RESTS_MS);
  }

  /**
   * The next older page, a big one for a reader who leapt `far` back; nothing when one is on its way.
   * @param {string} id
   */
  async loadOlder(id, { far = false } = {}) {
    const transcript = this.of(id);
    if (!transcript.loaded) return this.loadFirst(id);
    if (!transcript.remaining || transcript.loading) return;
    transcript.loading = true;
    const page = { before: transcript.first, limit: far ? FAR_PAGE : OLDER_PAGE };
    await this.#quietly(async () => transcript.addOlder(await this.#api.entries(id, page)));
    transcript.loading = false;
    this.#onChange(id);
  }

  /**
   * A line has changed. One that changed while its page was being read is asked for again afterwards.
   * @param {string} id
   * @param {number} number
   */
  async refetch(id, number) {
    const transcript = this.of(id);
    this.#touch(transcript, number);
    if (!transcript.get(number)) return;
    await this.#quietly(async () => {
      const page = await this.#api.entries(id, { after: number - 1, limit: 1 });
      // Perhaps another by now.
      const now = this.of(id);
      for (const entry of page.items) if (now.get(entry.number)) now.put(entry);
      this.#onChange(id);
    });
  }

  /** @type {(id: string, event: {number: number, delivery: V1.Delivery[]}) => void} */
  deliver(id, { number, delivery }) {
    const transcript = this.of(id);
    this.#touch(transcript, number);
    if (transcript.deliver(number, delivery)) this.#onChange(id);
  }

  /** @type {(transcript: Transcript, number: number) => void} */
  #touch(transcript, number) {
    if (!transcript.loaded || transcript.rereading) transcript.touched.add(number);
  }

  /**
   * A row of the list came into view: read its latest lines, a few rows at a time.
   * @param {string} id
   */
  warm(id) {
    const { loaded, loading, failed } = this.of(id);
    if (loaded || loading || failed || this.#warming.has(id) || this.#toWarm.includes(id)) return;
    this.#toWarm.push(id);
    this.#warmNext();
  }

  async #warmNext() {
    // What came into view last is what is looked at.
    const id = this.#warming.size < WARM_AT_ONCE && this.#toWarm.pop();
    if (!id) return;
    this.#warming.add(id);
    await this.loadFirst(id, PREVIEW_PAGE);
    this.#warming.delete(id);
    this.#warmNext();
  }
}
