// Puts the chat on the page, as the script's data- attributes say, and takes the page's calls.

import { Client } from "./client.js";
import { Panel } from "./panel.js";
import { localeOf } from "./words.js";

const RTL = /^(ar|dv|fa|he|ku|ps|ug|ur|yi)\b/i;

class ByocChat extends HTMLElement {}

/** @param {HTMLScriptElement} script */
export function start(script) {
  if (!customElements.get("byoc-chat")) customElements.define("byoc-chat", ByocChat);
  const { channel, display = "launcher", target, theme = "auto", identity, locale } = script.dataset;
  const base = new URL(`chat/${channel}`, script.src).href;
  const wanted = localeOf(locale);
  const host = document.createElement("byoc-chat");
  host.lang = wanted;
  host.dir = RTL.test(wanted) ? "rtl" : "ltr";
  host.dataset.display = display;
  host.dataset.theme = theme;

  const client = new Client({ base, locale: wanted, memory: memory(base, script.dataset.storage) });
  if (identity) client.identity = () => identity;
  const panel = new Panel(host, client, display);
  listen(client, panel);

  const mount = () => {
    (target ? document.querySelector(target) : document.body)?.append(host);
    // Nothing is asked of the server, and nothing kept in the browser, before the visitor opens the chat for the
    // first time.
    if (display !== "launcher" || script.dataset.open === "true" || client.wasOpen) panel.open({ focus: false });
    else if (client.known) client.start();
  };
  if (document.body) mount();
  else document.addEventListener("DOMContentLoaded", mount, { once: true });
}

/**
 * The page's calls: those that were waiting, then each as it is pushed.
 * @param {Client} client
 * @param {Panel} panel
 */
function listen(client, panel) {
  /** @type {{[name: string]: (given?: any) => unknown}} */
  const calls = {
    open: () => panel.open(),
    close: () => panel.close(),
    // A token of the company's own server, or a function that fetches one: it is asked whenever a session begins.
    identify: (identity) => client.identify(typeof identity === "function" ? identity : () => identity),
    signOut: () => client.signOut(),
  };
  /** @param {any} call `["open"]`, `["identify", token]` */
  const take = ([name, given]) => calls[name]?.(given);
  const waiting = window.byocChat;
  window.byocChat = { push: take };
  for (const call of Array.isArray(waiting) ? waiting : []) take(call);
}

/**
 * What survives a reload: the visitor's token, what is not sent yet, whether the chat was open. It stands in the page's
 * own storage, which no browser counts as a third party's. Where storage is forbidden, it lasts as long as the page.
 * @param {string} base
 * @param {string} [kind] "none": nothing is kept
 * @returns {import("./types.js").Memory}
 */
function memory(base, kind) {
  const key = `byoc-chat:${base}`;
  /** @type {import("./types.js").Kept} */
  let kept = {};
  const storage = kind === "none" ? null : usable();
  return {
    read() {
      try {
        if (storage) kept = JSON.parse(storage.getItem(key) ?? "{}");
      } catch {
        kept = {};
      }
      return kept;
    },
    write(changes) {
      kept = { ...this.read(), ...changes };
      try {
        storage?.setItem(key, JSON.stringify(kept));
      } catch {
        // Full or forbidden: this page still has it.
      }
    },
    forget() {
      kept = {};
      storage?.removeItem(key);
    },
  };
}

function usable() {
  try {
    localStorage.getItem("byoc-chat");
    return localStorage;
  } catch {
    return null;
  }
}
