// The desk's start: who is it, then the state, the stream and the elements.

import { fill } from "../kit/dom.js";
import { Api } from "./api.js";
import { Bell } from "./bell.js";
import { DeskView } from "./elements/desk-view.js";
import { SignIn } from "./elements/sign-in.js";
import * as login from "./login.js";
import { Desk } from "./state/desk.js";
import { EventStream } from "./stream.js";

class ByocDesk extends HTMLElement {
  /**
   * What the server says of this page, from a meta tag: a script of its own would not be let in.
   * @type {import("../../types.js").Settings}
   */
  settings = JSON.parse(document.querySelector('meta[name="byoc-settings"]')?.getAttribute("content") ?? "{}");
  /** @type {{desk: Desk, stream: EventStream, bell: Bell, renewal: login.Renewal} | null} */
  running = null;

  async connectedCallback() {
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
    fill(this, new SignIn(this.settings, problem, (token) => this.#enter({ token })));
  }

  /** @param {login.Login} known */
  async #enter(known) {
    const api = new Api(known.token);
    // The stream goes on with a new token at its next connection: its old one is good until it runs out, and resuming
    // loses nothing.
    const renewal = new login.Renewal(known, this.settings.oidc ?? null, (token) => {
      api.token = token;
    });
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

  /** @type {(api: Api, me: V1.Me, renewal: login.Renewal, opens?: boolean) => void} */
  #open(api, me, renewal, opens) {
    const bell = new Bell(me.login);
    let first = Boolean(opens);
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
      onOpen: async (resumed, gone) => {
        await desk.opened(resumed, gone);
        if (!first) return;
        // Noted before it is said: a reload meanwhile must not overrule what the rep says next.
        first = false;
        login.opened(me.login);
        await desk.present();
      },
      onState: (state) => desk.setConnection(state),
      // A browser doesn't say why a socket was refused; a plain call does.
      onRefused: () => desk.quietly(() => api.me()),
    });
    const view = new DeskView(desk, stream, bell, () => this.#out());
    this.running = { desk, stream, bell, renewal };
    fill(this, view);
    bell.onOpen = (session) => view.open(session);
    stream.start();
    document.title = `Desk – ${me.name}`;
  }

  /** @param {login.Renewal} renewal */
  async #unauthenticated(renewal) {
    // Said already.
    if (renewal !== this.running?.renewal) return;
    const renewed = await renewal.now();
    if (renewed || renewal !== this.running?.renewal) return;
    this.#out("Your sign-in has expired. Sign in again to continue where you were.");
  }

  /** @param {string} [problem] */
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
