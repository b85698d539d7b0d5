// The desk's start: who is it, then the state, the stream and the elements.

import { h, fill } from "../kit/dom.js";
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
      const token = await login.remembered(this.settings);
      if (token) await this.#enter(token);
      else this.#ask();
    } catch (error) {
      this.#ask(error.message);
    }
  }

  #ask(problem = "") {
    this.#leave();
    const page = h("byoc-sign-in");
    Object.assign(page, { settings: this.settings, problem, enter: (token) => this.#enter(token) });
    fill(this, page);
  }

  async #enter(token) {
    const api = new Api(token);
    let me;
    try {
      me = await api.me();
    } catch (error) {
      if (error.status === 401) login.forget();
      this.#ask(error.message);
      return;
    }
    login.remember(token);
    this.#open(api, me, token);
  }

  #open(api, me, token) {
    const bell = new Bell(me.login);
    const desk = new Desk({ api, me, onAlert: (alert) => bell.ring(alert), onUnauthenticated: () => this.#out("Your sign-in has run out.") });
    const stream = new EventStream({
      url: "/api/v1/events",
      protocols: ["byoc", `bearer.${token}`],
      onEvent: (event) => desk.take(event),
      onOpen: (resumed) => desk.opened(resumed),
      onState: (state) => desk.setConnection(state),
      // A browser doesn't say why a socket was refused; a plain call does.
      onRefused: () => desk.quietly(() => api.me()),
    });
    const view = h("byoc-desk-view");
    Object.assign(view, { desk, stream, bell, signOut: () => this.#out() });
    this.running = { desk, stream, bell };
    fill(this, view);
    bell.onOpen = (session) => view.open(session);
    stream.start();
    document.title = `Desk – ${me.name}`;
  }

  #out(problem) {
    login.forget();
    this.#ask(problem);
  }

  #leave() {
    this.running?.stream.stop();
    this.running?.desk.close();
    this.running?.bell.close();
    this.running = null;
  }
}

customElements.define("byoc-desk", ByocDesk);
