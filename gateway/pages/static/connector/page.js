// The page at a contact center's `connectorUrl`, in a frame inside Salesforce: it signs the rep in, keeps their event
// stream open (it is by this that the gateway knows they are there), and gives the toolkit what it asks for.
//
// A company's sign-in mustn't be shown in a frame. It opens in a window of its own, at this same address, which hands
// the token back and closes.

import { Api } from "../desk/api.js";
import * as login from "../desk/login.js";
import { EventStream } from "../desk/stream.js";
import { busy, fill, h } from "../kit/dom.js";
import { Connector, vendorConnector } from "./connector.js";

const WINDOW = "byoc-connector-sign-in";

/** @type {import("../../types.js").Settings & {toolkit?: string | null}} */
const settings = JSON.parse(document.querySelector('meta[name="byoc-settings"]')?.getAttribute("content") ?? "{}");
const main = /** @type {HTMLElement} */ (document.querySelector("main"));

/** @param {string} text */
const say = (text) => fill(main, h("p", { role: "status" }, text));

/** A frame's storage may be closed to it: then the rep signs in each time. @param {() => any} use */
const stored = async (use) => {
  try {
    return await use();
  } catch {
    return null;
  }
};

/** @param {string} problem */
function ask(problem = "") {
  const { oidc } = settings;
  const field = h("input.field", { id: "token", type: "password", autocomplete: "off", required: true });
  const button = h("button.button.primary", { type: "submit" }, "Sign in");
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    const token = field.value.trim();
    if (token) busy(button, () => enter({ token }));
  };
  fill(
    main,
    h("h1", "Messaging connector"),
    h("p.problem", { role: "alert" }, problem),
    oidc &&
      h(
        "button.button.primary",
        { click: () => open(location.pathname, WINDOW, "popup,width=520,height=680") },
        `Sign in with ${oidc.name}`,
      ),
    h("form", { submit }, h("label.above", { for: "token" }, "Access token"), field, button),
  );
}

/** @param {login.Login} known */
async function enter(known) {
  const api = new Api(known.token);
  const renewal = new login.Renewal(known, settings.oidc ?? null, (token) => {
    api.token = token;
  });
  try {
    const me = await api.me().catch(async (error) => {
      if (error.status !== 401 || !(await renewal.now())) throw error;
      return api.me();
    });
    await stored(() => login.remember(renewal.login));
    await start(api, renewal, me);
  } catch (error) {
    renewal.close();
    if (error.status === 401) await stored(login.forget);
    ask(error.message);
  }
}

/** @type {(api: Api, renewal: login.Renewal, me: V1.Me) => Promise<void>} */
async function start(api, renewal, me) {
  const stream = new EventStream({
    url: "/api/v1/events",
    protocols: () => ["byoc", `bearer.${api.token}`],
    onEvent: () => {},
    onOpen: () => {},
    onState: () => {},
    onRefused: () => renewal.now(),
  });
  stream.start();
  const toolkit = settings.toolkit ? await import(settings.toolkit) : null;
  const connector = new Connector({ token: () => api.token, toolkit: toolkit ?? {} });
  toolkit?.initializeConnector(vendorConnector(connector, toolkit));
  say(
    toolkit ? `Connected as ${me.name}.` : `Signed in as ${me.name}. Salesforce’s connector toolkit isn’t configured.`,
  );
}

/** The window that the sign-in opened. @param {Window} opener @param {import("../../types.js").Oidc} oidc */
async function signIn(opener, oidc) {
  if (!new URL(location.href).searchParams.has("state")) return login.depart(oidc);
  opener.postMessage({ byoc: "signed in", login: await login.remembered(settings) }, location.origin);
  close();
}

addEventListener("message", (event) => {
  if (event.origin === location.origin && event.data?.byoc === "signed in" && event.data.login?.token)
    enter(event.data.login);
});

if (window.opener && window.name === WINDOW && settings.oidc) {
  signIn(window.opener, settings.oidc).catch((error) => say(error.message));
} else {
  const known = await stored(() => login.remembered({ ...settings, oidc: null }));
  if (known) await enter(known);
  else ask();
}
