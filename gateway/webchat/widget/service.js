// The chat service: its calls, its stream, and the pause before either is tried again. The visitor's token stands in a
// header, never in an address.
//
// Listening is a stream of events read with fetch, or long polls where a proxy holds streams back, or a look now and
// then while nobody looks at the page: six open streams to one host are all a browser allows.

/** @typedef {import("./types.js").Answer} Answer */

export class Service {
  /** @type {string | null} */
  token = null;

  /**
   * `renew` begins the session anew when the token ran out; false when it was refused.
   * @param {string} base
   * @param {() => Promise<boolean>} renew
   */
  constructor(base, renew) {
    this.base = base;
    this.renew = renew;
  }

  /**
   * What a call answers, or null for want of a good answer.
   * @param {string} path
   * @returns {Promise<any>}
   */
  async get(path) {
    const answer = await this.fetch(path).catch(() => null);
    return answer?.ok ? answer.json() : null;
  }

  /** @type {(path: string, body: object) => Promise<Response>} */
  post(path, body) {
    return this.fetch(path, { method: "POST", body: JSON.stringify(body) });
  }

  /**
   * A token that ran out is renewed once, unless `renew` is false.
   * @param {string} path
   * @param {RequestInit & {headers?: Record<string, string>}} options
   * @returns {Promise<Response>}
   */
  async fetch(path, options = {}, renew = true) {
    /** @type {Record<string, string>} */
    const headers = { ...options.headers };
    if (options.body) headers["content-type"] = "application/json";
    const begins = path === "/session" && options.method === "POST";
    if (this.token && !begins) headers.authorization = `Bearer ${this.token}`;
    const answer = await fetch(this.base + path, { ...options, headers, credentials: "omit", cache: "no-store" });
    const stale = answer.status === 401 && renew && path !== "/messages";
    return stale && (await this.renew()) ? this.fetch(path, options, false) : answer;
  }

  /**
   * XMLHttpRequest, because fetch doesn't tell how much of a file is through.
   * @param {import("./types.js").Item} item
   * @param {File} file
   * @param {() => void} onProgress
   * @returns {Promise<Answer>}
   */
  upload(item, file, onProgress) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const form = new FormData();
      form.append("client_id", item.client_id);
      if (item.text) form.append("text", item.text);
      form.append("file", file, file.name);
      request.open("POST", `${this.base}/messages`);
      request.setRequestHeader("authorization", `Bearer ${this.token}`);
      request.responseType = "json";
      request.upload.onprogress = ({ loaded, total }) => {
        item.progress = loaded / total;
        onProgress();
      };
      request.onload = () => {
        /** @param {string} name */
        const get = (name) => request.getResponseHeader(name);
        resolve({ status: request.status, code: request.response?.code, headers: { get } });
      };
      request.onerror = reject;
      request.onabort = reject;
      item.request = request;
      request.send(form);
    });
  }
}

const AT_MOST = 30_000;

/** Waiting before the next try. */
export class Patience {
  /** @type {Set<() => void>} */
  #wakers = new Set();

  /** Something may have changed the network: whoever waits tries now. */
  wake() {
    for (const waker of this.#wakers) waker();
  }

  /**
   * Wait as long as the service asked, or ever longer with full jitter, so that a restart doesn't bring all visitors at
   * once; `wake` ends the wait, but for the service's own wish.
   * @param {number} tries
   * @param {import("./types.js").Answer | null} [answer]
   */
  pause(tries, answer) {
    const asked = Number(answer?.headers?.get("retry-after")) * 1000;
    const wait = asked || Math.random() * Math.min(AT_MOST, 1000 * 2 ** tries);
    return new Promise((/** @type {(value?: void) => void} */ resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, wait);
      if (!asked) this.#wakers.add(done);
    });
  }
}

/** @typedef {import("./types.js").Frame} Frame */
/**
 * `open(path, accept, signal)` makes a request; `after()` is the number of the last line; `alive()` is called when the
 * service has spoken.
 * @typedef {{
 *   open: (path: string, accept: string, signal: AbortSignal) => Promise<Response>,
 *   after: () => number,
 *   take: (frame: Frame) => void,
 *   alive: () => void,
 *   controller: AbortController,
 * }} Given
 */

// The service says "still here" every 20 s: after two that are missing, the line is dead.
const SILENCE = 45_000;
// It speaks at once; who hears nothing by then sits behind something that gathers answers.
const FIRST_WORD = 8_000;
const OUT_OF_SIGHT = 60_000;
const LOOK_EVERY = 20_000;

let hiddenSince = document.hidden ? 0 : Infinity;
let heldBack = false;

document.addEventListener("visibilitychange", () => {
  hiddenSince = document.hidden ? Date.now() : Infinity;
});

const outOfSight = () => Date.now() - hiddenSince > OUT_OF_SIGHT;

/**
 * Follow the stream until it ends: "done" to go on at once, a status the service refused with, or "lost".
 * @param {Given} given
 */
export async function follow(given) {
  try {
    return await (outOfSight() || heldBack ? poll(given) : read(given));
  } catch {
    return given.controller.signal.aborted && navigator.onLine !== false ? "done" : "lost";
  }
}

/** @param {Given} given */
async function poll({ open, after, take, alive, controller }) {
  const wait = outOfSight() ? 0 : 25;
  const answer = await open(`/events?after=${after()}&wait=${wait}`, "application/json", controller.signal);
  if (!answer.ok) return answer.status;
  const { items } = await answer.json();
  alive();
  for (const frame of items) take(frame);
  if (!wait) await sleepUntilSeen(LOOK_EVERY);
  return "done";
}

/** @param {Given} given */
async function read({ open, after, take, alive, controller }) {
  let watch = 0;
  let spoken = false;
  /** @param {number} time */
  const expect = (time) => {
    clearTimeout(watch);
    watch = setTimeout(() => {
      heldBack ||= !spoken;
      controller.abort();
    }, time);
  };
  expect(FIRST_WORD);
  const leave = setInterval(() => outOfSight() && controller.abort(), 10_000);
  try {
    const answer = await open(`/events?after=${after()}`, "text/event-stream", controller.signal);
    if (!answer.ok) return answer.status;
    for await (const text of texts(/** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader())) {
      if (!spoken) alive();
      spoken = true;
      expect(SILENCE);
      for (const frame of frames(text)) take(frame);
    }
  } finally {
    clearTimeout(watch);
    clearInterval(leave);
  }
  // The service closed it: it restarts, or the stream was long enough.
  return "lost";
}

/**
 * Whole events, each up to its blank line.
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 */
async function* texts(reader) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const end = rest.lastIndexOf("\n\n") + 2;
    if (end < 2) continue;
    yield rest.slice(0, end);
    rest = rest.slice(end);
  }
}

/**
 * @param {string} text
 * @returns {Frame[]}
 */
function frames(text) {
  return text
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice(6)));
}

/** @param {number} time */
function sleepUntilSeen(time) {
  return new Promise((/** @type {(value?: void) => void} */ resolve) => {
    const timer = setTimeout(done, time);
    function done() {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", done);
      resolve();
    }
    document.addEventListener("visibilitychange", done);
  });
}
