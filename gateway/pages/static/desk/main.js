// The desk's start: who is it, then the state, the stream and the elements.

import { fill, h } from "../kit/dom.js";
import { settings } from "../kit/settings.js";
import { Api } from "./api.js";
import { Bell } from "./bell.js";
import * as login from "./login.js";
import { Desk } from "./state.js";
import { EventStream } from "./stream.js";
import "./elements/desk-view.js";
import "./elements/sign-in.js";

class ByocDesk extends HTMLElement {
  async connectedCallback() {
    this.settings = settings();
    try {
      const known = await login.remembered(this.settings);
      if (known) await this.#enter(known);
      else this.#ask();
    } catch (error) {
      this.#ask(error.message);
    }
  }

  #ask(problem = "") {
    this.#leave();
    const page = h("byoc-sign-in");
    Object.assign(page, { settings: this.settings, problem, enter: (token) => this.#enter({ token }) });
    fill(this, page);
  }

  async #enter(known) {
    const api = new Api(known.token);
    const renewal = new login.Renewal(known, this.settings.oidc, (token) => this.#renewed(api, token));
    let me;
    try {
      me = await api.me().catch(async (error) => {
        if (error.status !== 401 || !(await renewal.now())) throw error;
        return api.me();
      });
    } catch (error) {
      renewal.close();
      if (error.status === 401) login.forget();
      this.#ask(error.message);
      return;
    }
    login.remember(renewal.login);
    this.#open(api, me, renewal, known.opens);
  }

  #open(api, me, renewal, opens) {
    const bell = new Bell(me.login);
    const desk = new Desk({
      api,
      me,
      demo: this.settings.demo,
      onAlert: (alert) => bell.ring(alert),
      onUnauthenticated: () => this.#unauthenticated(renewal),
    });
    const stream = new EventStream({
      url: "/api/v1/events",
      protocols: () => ["byoc", `bearer.${api.token}`],
      onEvent: (event) => desk.take(event),
      onOpen: (resumed, gone) =>
        desk.opened(resumed, gone).then(async () => opens && (await desk.present()) && login.opened(me.login)),
      onState: (state) => desk.setConnection(state),
      // A browser doesn't say why a socket was refused; a plain call does.
      onRefused: () => desk.quietly(() => api.me()),
    });
    const view = h("byoc-desk-view");
    Object.assign(view, { desk, stream, bell, signOut: () => this.#out() });
    this.running = { desk, stream, bell, renewal };
    fill(this, view);
    bell.onOpen = (session) => view.open(session);
    stream.start();
    document.title = `Desk – ${me.name}`;
  }

  // The stream goes on with the new token at its next connection: its old one is good until it runs out, and resuming
  // loses nothing.
  #renewed(api, token) {
    api.token = token;
  }

  async #unauthenticated(renewal) {
    // Said already.
    if (renewal !== this.running?.renewal) return;
    if (!(await renewal.now()) && renewal === this.running?.renewal)
      this.#out("Your sign-in has expired. Sign in again to continue where you were.");
  }

  #out(problem) {
    login.forget();
    this.#ask(problem);
  }

  #leave() {
    this.running?.stream.stop();
    this.running?.desk.close();
    this.running?.bell.close();
    this.running?.renewal.close();
    this.running = null;
  }
}

customElements.define("byoc-desk", ByocDesk);
