// API v1, as far as the desk uses it. One function a call; what went wrong comes as `Problem` or `Unreachable`.

/** The server answered and said no: `status` says how, `message` why. */
export class Problem extends Error {
  /** @type {(status: number, body: Partial<V1.Problem> | null) => Problem} */
  static of = (status, body) =>
    Object.assign(new Problem(body?.detail || body?.title || `The server answered ${status}.`), { status });

  status = 0;
}

/** No answer came, so nobody knows whether the call was done: repeat it with the same key. */
export class Unreachable extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super("The server can't be reached.", { cause });
  }
}

const PATIENCE_MS = 30_000;

/** @typedef {{[name: string]: string | number | null | undefined}} Query */
/** @typedef {{type: string, id: string}} Recipient */

export class Api {
  // Of this computer's clock, in ms: the server's may be another.
  #ahead = 0;

  /** @param {string} token */
  constructor(token) {
    this.token = token;
  }

  /** The server's time. What runs out there is counted down by it, whatever this computer's clock says. */
  now = () => Date.now() + this.#ahead;

  /**
   * How long it is until a time of the server's, in ms.
   * @param {string} at
   */
  until = (at) => Date.parse(at) - this.now();

  /**
   * Answers tell their time to the second.
   * @param {Response} answer
   */
  #clock(answer) {
    const ahead = Date.parse(answer.headers.get("Date") ?? "") - Date.now();
    if (Math.abs(ahead - this.#ahead) > 2_000) this.#ahead = ahead;
  }

  /** @type {() => Promise<V1.Me>} */
  me = () => this.#get("/me");
  /** @type {(status: V1.PresenceStatus) => Promise<V1.Presence>} */
  setPresence = (status) => this.#call("PUT", "/presence", { json: { status }, keepalive: true });

  /** @type {(query: Query) => Promise<V1.ListOfSession>} */
  sessions = (query) => this.#get("/sessions", query);
  /** @type {(id: string) => Promise<V1.Session>} */
  session = (id) => this.#get(at(id));
  /** @type {(id: string, query: Query) => Promise<V1.ListOfEntry>} */
  entries = (id, query) => this.#get(at(id, "entries"), query);
  /** @type {(id: string, query: Query) => Promise<V1.ListOfDestination>} */
  destinations = (id, query) => this.#get(at(id, "destinations"), query);
  /** @type {(id: string, query: Query) => Promise<V1.ListOfAudit>} */
  audit = (id, query) => this.#get(at(id, "audit"), query);

  /** @type {(id: string) => Promise<V1.Session>} */
  accept = (id) => this.#post(at(id, "accept"));
  /** @type {(id: string) => Promise<unknown>} */
  decline = (id) => this.#post(at(id, "decline"));
  /** @type {(id: string, on: boolean) => Promise<unknown>} */
  typing = (id, on) => this.#post(at(id, "typing"), { on });
  /** @type {(id: string) => Promise<V1.Session>} */
  leave = (id) => this.#post(at(id, "leave"));
  /** @type {(id: string) => Promise<V1.Session>} */
  end = (id) => this.#post(at(id, "end"));

  /**
   * Say something to the customer. `key` makes a repetition harmless.
   * @type {(id: string, said: {text: string, file?: File | null, key: string}) => Promise<V1.Entry>}
   */
  say(id, { text, file, key }) {
    const path = at(id, "messages");
    if (!file) return this.#post(path, { text }, key);
    const form = new FormData();
    if (text) form.append("text", text);
    form.append("file", file, file.name);
    return this.#call("POST", path, { form, key, patience: 10 * PATIENCE_MS });
  }

  /** @type {(id: string, outboxId: string) => Promise<unknown>} */
  resend = (id, outboxId) => this.#post(at(id, "deliveries", outboxId, "resend"));

  /** @type {(id: string, recipient: Recipient, note?: string) => Promise<V1.Invitation>} */
  invite = (id, recipient, note) => this.#post(at(id, "invitations"), { recipient, note: note || undefined });
  /** @type {(id: string, recipient: Recipient, note?: string) => Promise<V1.Invitation>} */
  transfer = (id, recipient, note) => this.#post(at(id, "transfers"), { recipient, note: note || undefined });
  /** @type {(id: string, invitation: string) => Promise<V1.Joined>} */
  acceptInvitation = (id, invitation) => this.#post(at(id, "invitations", invitation, "accept"));
  /** @type {(id: string, invitation: string) => Promise<unknown>} */
  declineInvitation = (id, invitation) => this.#post(at(id, "invitations", invitation, "decline"));
  /** @type {(id: string, invitation: string) => Promise<unknown>} */
  withdrawInvitation = (id, invitation) => this.#post(at(id, "invitations", invitation, "withdraw"));

  /** @type {(id: string, text: string) => Promise<unknown>} */
  raiseFlag = (id, text) => this.#post(at(id, "flag"), { text });
  /** @type {(id: string, whose: string) => Promise<unknown>} */
  lowerFlag = (id, whose) => this.#call("DELETE", at(id, "flag"), { query: { raised_by: whose } });
  /** @type {(id: string, said: {text: string, to?: string | null, key: string}) => Promise<V1.Entry>} */
  whisper = (id, { text, to, key }) => this.#post(at(id, "whispers"), { text, to }, key);

  /** @type {(path: string, query?: Query) => Promise<any>} */
  #get = (path, query) => this.#call("GET", path, { query });

  /**
   * A key on every POST, so that a button pressed twice by a bad connection does its work once.
   * @type {(path: string, json?: object, key?: string) => Promise<any>}
   */
  #post = (path, json, key) => this.#call("POST", path, { json, key });

  /**
   * @param {string} method
   * @param {string} path
   * @param {{
   *   json?: object, form?: FormData, query?: Query, key?: string, patience?: number, keepalive?: boolean,
   * }} options `keepalive`: it is sent even if the page is closed or reloaded right after
   * @returns {Promise<any>}
   */
  async #call(method, path, { json, form, query, key, patience = PATIENCE_MS, keepalive }) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json", Authorization: `Bearer ${this.token}` };
    if (method === "POST") headers["Idempotency-Key"] = key || crypto.randomUUID();
    if (json) headers["Content-Type"] = "application/json";
    const request = {
      method,
      headers,
      body: form ?? (json && JSON.stringify(json)),
      signal: AbortSignal.timeout(patience),
      keepalive,
    };
    let answer;
    let text;
    try {
      answer = await fetch(`/api/v1${path}${search(query)}`, { ...request, cache: "no-store", credentials: "omit" });
      this.#clock(answer);
      text = await answer.text();
    } catch (cause) {
      throw new Unreachable(cause);
    }
    const value = parsed(text);
    if (answer.ok) return value;
    const problem = Problem.of(answer.status, value);
    // A proxy's 502 or 504 says no more than silence does.
    throw answer.status === 502 || answer.status === 504 ? new Unreachable(problem) : problem;
  }
}

/** @type {(id: string, ...rest: string[]) => string} */
const at = (...parts) => `/sessions/${parts.map(encodeURIComponent).join("/")}`;

/** @param {Query} query */
function search(query = {}) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value != null && value !== "") given.set(name, String(value));
  return given.size ? `?${given}` : "";
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
