// The whole desk: the bar on top, the list, the conversation, the side thread. Which session is open stands in the
// address (`#/id`).

import { fill, h } from "../../kit/dom.js";
import "./calls-bar.js";
import "./connection-bar.js";
import "./conversation.js";
import "./notices.js";
import "./session-list.js";
import "./top-bar.js";

export class DeskView extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("../stream.js").EventStream} */
  stream;
  /** @type {import("../bell.js").Bell} */
  bell;
  /** @type {() => void} */
  signOut;

  connectedCallback() {
    const { desk } = this;
    const parts = Object.fromEntries(
      ["top-bar", "connection-bar", "calls-bar", "session-list", "notices", "conversation"].map((name) => [
        name,
        Object.assign(h(`byoc-${name}`), { desk, view: this }),
      ]),
    );
    parts.notices.everywhere = true;
    fill(
      this,
      h("a.skip", { href: "#conversation", click: (event) => this.#skip(event) }, "To the conversation"),
      parts["top-bar"],
      parts["connection-bar"],
      h(
        "div.panes",
        h("section.calls-pane", { "aria-label": "Waiting for your answer" }, parts["calls-bar"]),
        h("nav.list-pane", { "aria-label": "Conversations" }, parts["session-list"]),
        h("main.conversation-pane", { id: "conversation", tabindex: "-1" }, parts.notices, parts.conversation),
      ),
    );
    this.unwatch = desk.watch(["selection", "sessions"], () => this.#render());
    addEventListener("hashchange", this.#moved);
    this.#moved();
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
    removeEventListener("hashchange", this.#moved);
  }

  /** Show a session (null: the list). With a keyboard and room for both, its field is where one goes on. */
  open(session) {
    location.hash = session ? `#/${encodeURIComponent(session)}` : "#/";
    if (!session) this.querySelector(".session-row[aria-current]")?.focus();
    else if (matchMedia("(pointer: fine)").matches) this.desk.wantField();
  }

  #moved = () => {
    const id = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
    this.desk.select(id && id !== "conversation" ? id : null);
  };

  #skip(event) {
    event.preventDefault();
    this.querySelector("#conversation").focus();
  }

  #render() {
    this.classList.toggle("has-selection", Boolean(this.desk.selected));
    const { desk } = this;
    const unread = desk.groups.mine.reduce((sum, session) => sum + desk.unread(session.id), 0);
    const count = unread + desk.calls.length;
    document.title = `${count ? `(${count}) ` : ""}Desk – ${desk.me.name}`;
  }
}

customElements.define("byoc-desk-view", DeskView);
