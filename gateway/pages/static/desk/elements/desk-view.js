// The whole desk: the bar on top, the list, the conversation, the side thread. Which session is open stands in the
// address (`#/id`).

import { fill, h } from "../../kit/dom.js";
import { CallsBar } from "./calls-bar.js";
import { ConnectionBar } from "./connection-bar.js";
import { Conversation } from "./conversation.js";
import { Notices } from "./notices.js";
import { Part } from "./part.js";
import { SessionList } from "./session-list.js";
import { TopBar } from "./top-bar.js";

export class DeskView extends Part {
  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {import("../stream.js").EventStream} stream
   * @param {import("../bell.js").Bell} bell
   * @param {() => void} signOut
   */
  constructor(desk, stream, bell, signOut) {
    super(desk);
    /** @param {string | null} session */
    const open = (session) => this.open(session);
    this.main = h(
      "main.conversation-pane",
      { id: "conversation", tabindex: "-1" },
      new Notices(desk, true),
      new Conversation(desk, open),
    );
    fill(
      this,
      h("a.skip", { href: "#conversation", click: (event) => this.#skip(event) }, "To the conversation"),
      new TopBar(desk, bell, signOut),
      new ConnectionBar(desk, () => stream.retry()),
      h(
        "div.panes",
        h("section.calls-pane", { "aria-label": "Waiting for your answer" }, new CallsBar(desk, open)),
        h("nav.list-pane", { "aria-label": "Conversations" }, new SessionList(desk, open)),
        this.main,
      ),
    );
  }

  connectedCallback() {
    this.listen(window, "hashchange", () => this.#moved());
    this.#moved();
    this.follow(["selection", "sessions"], () => this.#render());
  }

  /**
   * Show a session (null: the list). With a keyboard and room for both, its field is where one goes on.
   * @param {string | null} session
   */
  open(session) {
    location.hash = session ? `#/${encodeURIComponent(session)}` : "#/";
    if (!session) this.querySelector(".session-row[aria-current]")?.focus();
    else if (matchMedia("(pointer: fine)").matches) this.desk.wantField();
  }

  #moved() {
    const id = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
    this.desk.select(id && id !== "conversation" ? id : null);
  }

  /** @param {Event} event */
  #skip(event) {
    event.preventDefault();
    this.main.focus();
  }

  #render() {
    const { desk } = this;
    this.classList.toggle("has-selection", Boolean(desk.selected));
    const unread = desk.groups.mine.reduce((sum, { id }) => sum + desk.unread(id), 0);
    const count = unread + desk.calls.length;
    document.title = `${count ? `(${count}) ` : ""}Desk – ${desk.me.name}`;
  }
}

customElements.define("byoc-desk-view", DeskView);
