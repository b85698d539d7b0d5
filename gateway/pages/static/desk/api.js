// API v1, as far as the desk uses it. One function a call; what went wrong comes as `Problem` or `Unreachable`.

/** The server answered and said no: `code` for machines, `message` for people. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code || `http_${status}`;
    this.body = body;
  }
}

/** No answer came, so nobody knows whether the call was done: repeat it with the same key. */
export class Unreachable extends Error {
  constructor(cause) {
    super("The server can't be reached.", { cause });
  }
}

const PATIENCE_MS = 30_000;

export class Api {
  // Of this computer's clock, in ms: the server's may be another.
  #ahead = 0;

  constructor(token) {
    this.token = token;
  }

  /** The server's time. What runs out there is counted down by it, whatever this computer's clock says. */
  now = () => Date.now() + this.#ahead;

  // Answers tell their time to the second.
  #clock(answer) {
    const ahead = Date.parse(answer.headers.get("Date") ?? "") - Date.now();
    if (Math.abs(ahead - this.#ahead) > 2_000) this.#ahead = ahead;
  }

  me = () => this.#call("GET", "/me");
  presence = () => this.#call("GET", "/presence");
  setPresence = (status) => this.#call("PUT", "/presence", { json: { status } });

  sessions = (query) => this.#call("GET", "/sessions", { query });
  session = (id) => this.#call("GET", at(id));
  entries = (id, query) => this.#call("GET", at(id, "entries"), { query });
  destinations = (id, query) => this.#call("GET", at(id, "destinations"), { query });
  audit = (id, query) => this.#call("GET", at(id, "audit"), { query });

  accept = (id) => this.#call("POST", at(id, "accept"));
  decline = (id) => this.#call("POST", at(id, "decline"));
  typing = (id, on) => this.#call("POST", at(id, "typing"), { json: { on } });
  leave = (id) => this.#call("POST", at(id, "leave"));
  end = (id) => this.#call("POST", at(id, "end"));

  /** Say something to the customer. `key` makes a repetition harmless. */
  say(id, { text, file, key }) {
    if (!file) return this.#call("POST", at(id, "messages"), { json: { text }, key });
    const form = new FormData();
    if (text) form.append("text", text);
    form.append("file", file, file.name);
    return this.#call("POST", at(id, "messages"), { form, key, patience: 10 * PATIENCE_MS });
  }

  resend = (id, outboxId) => this.#call("POST", at(id, "deliveries", outboxId, "resend"));

  invite = (id, recipient, note) =>
    this.#call("POST", at(id, "invitations"), { json: { recipient, ...(note && { note }) } });
  transfer = (id, recipient, note) =>
    this.#call("POST", at(id, "transfers"), { json: { recipient, ...(note && { note }) } });
  acceptInvitation = (id, invitation) => this.#call("POST", at(id, "invitations", invitation, "accept"));
  declineInvitation = (id, invitation) => this.#call("POST", at(id, "invitations", invitation, "decline"));
  withdrawInvitation = (id, invitation) => this.#call("POST", at(id, "invitations", invitation, "withdraw"));

  raiseFlag = (id, text) => this.#call("POST", at(id, "flag"), { json: { text } });
  lowerFlag = (id, whose) => this.#call("DELETE", at(id, "flag"), { query: { raised_by: whose } });
  whisper = (id, { text, to, key }) => this.#call("POST", at(id, "whispers"), { json: { text, to }, key });

  /**
   * @param {string} method
   * @param {string} path
   * @param {{json?: object, form?: FormData, query?: object, key?: string, patience?: number}} options
   */
  async #call(method, path, { json, form, query, key, patience = PATIENCE_MS } = {}) {
    const headers = { Accept: "application/json", Authorization: `Bearer ${this.token}` };
    // A key on every POST, so that a button pressed twice by a bad connection does its work once.
    if (method === "POST") headers["Idempotency-Key"] = key || crypto.randomUUID();
    if (json) headers["Content-Type"] = "application/json";
    const body = form || (json && JSON.stringify(json));
    let answer;
    try {
      answer = await fetch(`/api/v1${path}${search(query)}`, {
        method,
        headers,
        body,
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(patience),
      });
    } catch (cause) {
      throw new Unreachable(cause);
    }
    this.#clock(answer);
    const text = await answer.text().catch((cause) => {
      throw new Unreachable(cause);
    });
    const value = parsed(text);
    if (answer.ok) return value;
    // A proxy's 502 or 504 says no more than silence does.
    if (answer.status === 502 || answer.status === 504) throw new Unreachable(new Problem(answer.status, value ?? {}));
    throw new Problem(answer.status, value ?? {});
  }
}

const at = (id, ...rest) =>
  ["/sessions", id, ...rest].map((part, n) => (n ? encodeURIComponent(part) : part)).join("/");

function search(query) {
  const given = Object.entries(query ?? {}).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
