// The bar on top: where one is, the rep's presence, sound and notices, signing out.

import { fill, h } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { STATUSES } from "../words.js";

class TopBar extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("./desk-view.js").DeskView} */
  view;

  connectedCallback() {
    const { desk, view } = this;
    this.select = h(
      "select.field",
      { id: "presence", change: () => desk.setPresence(this.select.value) },
      STATUSES.map(([value, words]) => h("option", { value }, words)),
    );
    this.dot = h("span.dot", { "aria-hidden": "true" });
    this.sound = toggle(() => this.#toggleSound());
    this.notices = toggle(() => this.#toggleNotices());
    fill(
      this,
      h(
        "header.top-bar",
        h("h1.brand", "Desk"),
        h("div.presence", this.dot, h("label.unseen", { for: "presence" }, "My presence"), this.select),
        h("span.who", desk.me.name, desk.me.supervisor && h("span.tag", "Supervisor")),
        this.sound,
        this.notices,
        h("button.button.bare", { click: () => view.signOut() }, "Sign out"),
      ),
    );
    this.unwatch = desk.watch(["me", "connection"], () => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
  }

  #toggleSound() {
    const { bell } = this.view;
    bell.set("sound", !bell.options.sound);
    this.#render();
  }

  async #toggleNotices() {
    const { bell } = this.view;
    if (bell.options.notices && bell.mayNotify) bell.set("notices", false);
    else if (!(await bell.allowNotices()))
      this.desk.notice(
        null,
        "The browser blocks desktop notifications for this page. You can allow them in its settings.",
        "warn",
      );
    this.#render();
  }

  #render() {
    const { status } = this.desk.presence;
    this.select.value = status;
    this.dot.dataset.status = status;
    const { bell } = this.view;
    show(this.sound, bell.options.sound, "Sound", "sound", "bell_off");
    show(this.notices, bell.options.notices && bell.mayNotify, "Desktop notifications", "bell", "bell_off");
  }
}

const toggle = (click) => h("button.button.bare.round", { click });

function show(button, on, words, yes, no) {
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", words);
  button.title = `${words}: ${on ? "on" : "off"}`;
  fill(button, icon(on ? yes : no));
}

customElements.define("byoc-top-bar", TopBar);
