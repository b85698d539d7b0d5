// A visible state while the desk is disconnected: what is on screen may be old, and the rep must know.

import { announce, fill, h } from "../../kit/dom.js";
import { countdown } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";

// A reconnect that takes less is not worth a word.
const PATIENCE_MS = 1_200;

class ConnectionBar extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("./desk-view.js").DeskView} */
  view;

  connectedCallback() {
    this.unwatch = this.desk.watch(["connection"], () => this.#render());
    this.timer = setInterval(() => this.#render(), 500);
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
    clearInterval(this.timer);
  }

  #render() {
    const { state, retryAt, lostAt } = this.desk.connection;
    const down = state !== "live" && Date.now() - lostAt > PATIENCE_MS;
    if (!down) {
      if (this.down) announce("Connected again.");
      this.down = false;
      this.replaceChildren();
      return;
    }
    const unsent = this.desk.outbox.size;
    const next = state === "connecting" ? "Connecting …" : `Next try in ${countdown(retryAt - Date.now())}.`;
    const text = `Connection lost. What you see may be out of date${unsent ? `; ${unsent} unsent` : ""}. ${next}`;
    if (!this.down) {
      this.words = h("span");
      fill(
        this,
        h(
          "section.connection-lost",
          { "aria-label": "Connection" },
          icon("alert"),
          this.words,
          h("button.button.small", { click: () => this.view.stream.retry() }, "Try now"),
        ),
      );
      announce("Connection lost. What you see may be out of date.", { urgent: true });
    }
    this.down = true;
    if (this.words.textContent !== text) this.words.textContent = text;
  }
}

customElements.define("byoc-connection-bar", ConnectionBar);
