// Who the rep is: the demo's `?as=ana`, a token typed in, or a company's sign-in (OIDC: authorization code with PKCE).
//
// The token lives in sessionStorage: a reload keeps it, another tab may be another rep, and closing the tab forgets it.
// Where the company gives a refresh token too, the page renews the access token before it runs out, and after a sleep.

/**
 * Whoever is signed in: `refresh` and `until` (milliseconds) where the company gives them. `opens`: the demo's rep
 * opens the desk in this tab for the first time, and goes online; at a reload their presence is what they said last.
 * @typedef {{token: string, refresh?: string, until?: number, opens?: boolean}} Login
 */
/** @typedef {import("../../types.js").Oidc} Oidc */

const TOKEN = "byoc.desk.token";
const WAITING = "byoc.desk.oidc";
const OPENED = "byoc.desk.opened.";
// Of a token's life.
const RENEW_AT = 0.7;
// After a renewal that failed for want of a connection.
const LATEST_MS = 30_000;

/**
 * Whom to begin with, or null. Raises Error when a company's sign-in said no.
 * @param {import("../../types.js").Settings} settings
 * @returns {Promise<Login | null>}
 */
export async function remembered(settings) {
  const address = new URL(location.href);
  const as = settings.demo && address.searchParams.get("as");
  if (as) return { token: `demo-${as}`, opens: !sessionStorage.getItem(OPENED + as) };
  if (settings.oidc && address.searchParams.has("state")) return returned(settings.oidc, address);
  return JSON.parse(sessionStorage.getItem(TOKEN) ?? "null");
}

/** @param {Login} login */
export const remember = ({ token, refresh, until }) =>
  sessionStorage.setItem(TOKEN, JSON.stringify({ token, refresh, until }));

/**
 * The demo's rep has opened the desk in this tab.
 * @param {string} who
 */
export const opened = (who) => sessionStorage.setItem(OPENED + who, "1");

/** Forget who it was; `?as=` goes too, or signing out would sign in again. */
export function forget() {
  sessionStorage.removeItem(TOKEN);
  clean(["as"]);
}

/** Keeps a company's token fresh for as long as the page is open. */
export class Renewal {
  #timer = 0;
  /** @type {Promise<boolean> | null} */
  #running = null;

  /**
   * `onToken(token)` is told each new one.
   * @param {Login} login
   * @param {Oidc | null} oidc
   * @param {(token: string) => void} onToken
   */
  constructor(login, oidc, onToken) {
    this.login = login;
    this.oidc = oidc;
    this.onToken = onToken;
    this.#plan();
  }

  close() {
    clearTimeout(this.#timer);
    this.oidc = null;
  }

  /** A new token now; false when there is none to be had. Several who ask at once wait for the same one. */
  async now() {
    const { oidc, login } = this;
    if (!oidc || !login.refresh) return false;
    this.#running ??= this.#renew(oidc, login.refresh).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** @type {(oidc: Oidc, refresh: string) => Promise<boolean>} */
  async #renew(oidc, refresh) {
    let login;
    try {
      login = await tokens(oidc, { grant_type: "refresh_token", refresh_token: refresh });
    } catch (error) {
      if (!error.refused) this.#timer = setTimeout(() => this.now(), LATEST_MS);
      return false;
    }
    // Signed out meanwhile.
    if (!this.oidc) return false;
    this.login = { refresh, ...login };
    remember(this.login);
    this.onToken(login.token);
    this.#plan();
    return true;
  }

  #plan() {
    clearTimeout(this.#timer);
    if (!this.oidc || !this.login.refresh || !this.login.until) return;
    this.#timer = setTimeout(() => this.now(), Math.max(1000, (this.login.until - Date.now()) * RENEW_AT));
  }
}

/**
 * Go to the company's page.
 * @param {Oidc} oidc
 */
export async function depart(oidc) {
  const verifier = random();
  const state = random();
  sessionStorage.setItem(WAITING, JSON.stringify({ verifier, state, hash: location.hash }));
  const challenge = base64(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
  const address = new URL(oidc.authorization_endpoint);
  const asked = {
    response_type: "code",
    client_id: oidc.client_id,
    redirect_uri: here(),
    scope: oidc.scope,
    state,
    code_challenge: challenge,
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
  location.assign(address);
}

/** @type {(oidc: Oidc, address: URL) => Promise<Login>} */
async function returned(oidc, address) {
  const waiting = JSON.parse(sessionStorage.getItem(WAITING) ?? "null");
  sessionStorage.removeItem(WAITING);
  const given = Object.fromEntries(address.searchParams);
  clean(["code", "state", "session_state", "iss", "error", "error_description"]);
  // An answer that this tab didn't ask for may be somebody else's sign-in.
  if (!waiting || waiting.state !== given.state) throw new Error("This page did not start the sign-in. Sign in again.");
  if (!given.code) throw new Error(given.error_description || given.error || "The sign-in was refused.");
  const login = await tokens(oidc, {
    grant_type: "authorization_code",
    code: given.code,
    redirect_uri: here(),
    code_verifier: waiting.verifier,
  });
  if (waiting.hash) history.replaceState(null, "", waiting.hash);
  return login;
}

/**
 * Raises Error; `refused` says that the company answered no, so that asking again is of no use.
 * @param {Oidc} oidc
 * @param {{[name: string]: string}} asked
 * @returns {Promise<Login>}
 */
async function tokens(oidc, asked) {
  const body = new URLSearchParams({ ...asked, client_id: oidc.client_id });
  const answer = await fetch(oidc.token_endpoint, { method: "POST", body, credentials: "omit" }).catch(() => null);
  const given = await answer?.json().catch(() => null);
  if (!answer?.ok || !given?.access_token) {
    const refused = Boolean(answer && answer.status < 500);
    throw Object.assign(new Error("The sign-in could not be completed. Sign in again."), { refused });
  }
  return {
    token: given.access_token,
    ...(given.refresh_token && { refresh: given.refresh_token }),
    ...(given.expires_in && { until: Date.now() + given.expires_in * 1000 }),
  };
}

const here = () => location.origin + location.pathname;

/** @param {string[]} names */
function clean(names) {
  const address = new URL(location.href);
  for (const name of names) address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
}

const random = () => base64(crypto.getRandomValues(new Uint8Array(32)));

/** @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (one) => URL_SAFE[one]);

/** @type {{[letter: string]: string}} */
const URL_SAFE = { "+": "-", "/": "_", "=": "" };
