// Who the rep is: the demo's `?as=ana`, a token typed in, or a company's sign-in (OIDC: authorization code with PKCE).
//
// The token lives in sessionStorage: a reload keeps it, another tab may be another rep, and closing the tab forgets it.

const TOKEN = "byoc.desk.token";
const WAITING = "byoc.desk.oidc";

/** The token to begin with, or null. Raises Error when a company's sign-in said no. */
export async function remembered(settings) {
  const address = new URL(location.href);
  if (settings.demo && address.searchParams.get("as")) return `demo-${address.searchParams.get("as")}`;
  if (settings.oidc && address.searchParams.has("state")) return returned(settings.oidc, address);
  return sessionStorage.getItem(TOKEN);
}

export const remember = (token) => sessionStorage.setItem(TOKEN, token);

/** Forget who it was; `?as=` goes too, or signing out would sign in again. */
export function forget() {
  sessionStorage.removeItem(TOKEN);
  clean(["as"]);
}

/** Go to the company's page. */
export async function depart(oidc) {
  const verifier = random();
  const state = random();
  sessionStorage.setItem(WAITING, JSON.stringify({ verifier, state, hash: location.hash }));
  const challenge = base64(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
  const address = new URL(oidc.authorization_endpoint);
  const asked = { response_type: "code", client_id: oidc.client_id, redirect_uri: here(), scope: oidc.scope, state, code_challenge: challenge, code_challenge_method: "S256" };
  for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
  location.assign(address);
}

async function returned(oidc, address) {
  const waiting = JSON.parse(sessionStorage.getItem(WAITING) ?? "null");
  sessionStorage.removeItem(WAITING);
  const given = Object.fromEntries(address.searchParams);
  clean(["code", "state", "session_state", "iss", "error", "error_description"]);
  // An answer that this tab didn't ask for may be somebody else's sign-in.
  if (!waiting || waiting.state !== given.state) throw new Error("The sign-in was not asked for by this page; sign in again.");
  if (!given.code) throw new Error(given.error_description || given.error || "The sign-in was refused.");
  const body = new URLSearchParams({ grant_type: "authorization_code", code: given.code, redirect_uri: here(), client_id: oidc.client_id, code_verifier: waiting.verifier });
  const answer = await fetch(oidc.token_endpoint, { method: "POST", body, credentials: "omit" }).catch(() => null);
  const tokens = await answer?.json().catch(() => null);
  if (!answer?.ok || !tokens?.access_token) throw new Error("The sign-in could not be finished; sign in again.");
  if (waiting.hash) history.replaceState(null, "", waiting.hash);
  return tokens.access_token;
}

const here = () => location.origin + location.pathname;

function clean(names) {
  const address = new URL(location.href);
  names.forEach((name) => address.searchParams.delete(name));
  history.replaceState(history.state, "", address);
}

const random = () => base64(crypto.getRandomValues(new Uint8Array(32)));

const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
