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
      "select",
      { id: "presence", class: "field", on: { change: () => desk.setPresence(this.select.value) } },
      STATUSES.map(([value, words]) => h("option", { value }, words)),
    );
    this.dot = h("span", { class: "dot", "aria-hidden": "true" });
    this.sound = toggle(() => this.#toggleSound());
    this.notices = toggle(() => this.#toggleNotices());
    fill(
      this,
      h(
        "header",
        { class: "top-bar" },
        h("h1", { class: "brand" }, "Desk"),
        h("div", { class: "presence" }, this.dot, h("label", { class: "unseen", htmlFor: "presence" }, "My presence"), this.select),
        h("span", { class: "who" }, desk.me.name, desk.me.supervisor && h("span", { class: "tag" }, "Supervisor")),
        this.sound,
        this.notices,
        h("button", { class: "button bare", type: "button", on: { click: () => view.signOut() } }, "Sign out"),
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
    else if (!(await bell.allowNotices())) this.desk.notice(null, "The browser doesn't allow desktop notices for this page; its settings can change that.", "warn");
    this.#render();
  }

  #render() {
    const { status } = this.desk.presence;
    this.select.value = status;
    this.dot.dataset.status = status;
    const { bell } = this.view;
    show(this.sound, bell.options.sound, "Sound", "sound", "bell_off");
    show(this.notices, bell.options.notices && bell.mayNotify, "Desktop notices", "bell", "bell_off");
  }
}

const toggle = (click) => h("button", { class: "button bare round", type: "button", on: { click } });

function show(button, on, words, yes, no) {
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", words);
  button.title = `${words}: ${on ? "on" : "off"}`;
  fill(button, icon(on ? yes : no));
}

customElements.define("byoc-top-bar", TopBar);
