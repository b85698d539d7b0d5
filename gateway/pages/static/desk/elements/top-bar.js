// The bar on top: where one is, the rep's presence, sound and notices, signing out.

import { fill, h } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { STATUSES } from "../words.js";
import { Part } from "./part.js";

export class TopBar extends Part {
  select = h(
    "select.field",
    { id: "presence", change: () => this.#say() },
    STATUSES.map(([value, words]) => h("option", { value }, words)),
  );
  dot = h("span.dot", { "aria-hidden": "true" });
  sound = h("button.button.bare.round", { click: () => this.#toggleSound() });
  notices = h("button.button.bare.round", { click: () => this.#toggleNotices() });

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {import("../bell.js").Bell} bell
   * @param {() => void} signOut
   */
  constructor(desk, bell, signOut) {
    super(desk);
    this.bell = bell;
    this.signOut = signOut;
  }

  connectedCallback() {
    const { me } = this.desk;
    fill(
      this,
      h(
        "header.top-bar",
        h("h1.brand", "Desk"),
        h("div.presence", this.dot, h("label.unseen", { for: "presence" }, "My presence"), this.select),
        h("span.who", me.name, me.supervisor && h("span.tag", "Supervisor")),
        this.sound,
        this.notices,
        h("button.button.bare", { click: this.signOut }, "Sign out"),
      ),
    );
    this.follow(["me", "connection"], () => this.#render());
  }

  #say() {
    this.desk.setPresence(/** @type {V1.PresenceStatus} */ (this.select.value));
  }

  #toggleSound() {
    this.bell.set("sound", !this.bell.options.sound);
    this.#render();
  }

  async #toggleNotices() {
    const { bell } = this;
    if (bell.notifies) bell.set("notices", false);
    else if (!(await bell.allowNotices())) {
      const sorry = "The browser blocks desktop notifications for this page. You can allow them in its settings.";
      this.desk.notices.add(null, sorry, "warn");
    }
    this.#render();
  }

  #render() {
    const { status } = this.desk.presence;
    this.select.value = status;
    this.dot.dataset.status = status;
    show(this.sound, this.bell.options.sound, "Sound", "sound");
    show(this.notices, this.bell.notifies, "Desktop notifications", "bell");
  }
}

/** @type {(button: HTMLButtonElement, on: boolean, words: string, sign: string) => void} */
function show(button, on, words, sign) {
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", words);
  button.title = `${words}: ${on ? "on" : "off"}`;
  fill(button, icon(on ? sign : "bell_off"));
}

customElements.define("byoc-top-bar", TopBar);
