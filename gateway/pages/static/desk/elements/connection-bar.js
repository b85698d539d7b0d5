// A visible state while the desk is disconnected: what is on screen may be old, and the rep must know.

import { announce, fill, h, write } from "../../kit/dom.js";
import { countdown } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { Part } from "./part.js";

// A reconnect that takes less is not worth a word.
const PATIENCE_MS = 1_200;
const LOST = "Connection lost. What you see may be out of date";

export class ConnectionBar extends Part {
  down = false;
  words = h("span");

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {() => void} retry
   */
  constructor(desk, retry) {
    super(desk);
    this.retry = retry;
  }

  connectedCallback() {
    this.follow(["connection"], () => this.#render());
    this.every(500, () => this.#render());
  }

  #render() {
    const { state, retryAt, lostAt } = this.desk.connection;
    const down = state !== "live" && Date.now() - lostAt > PATIENCE_MS;
    if (down !== this.down) this.#turn(down);
    const { size } = this.desk.outbox;
    const next = state === "connecting" ? "Connecting …" : `Next try in ${countdown(retryAt - Date.now())}.`;
    if (down) write(this.words, `${LOST}${size ? `; ${size} unsent` : ""}. ${next}`);
  }

  /** @param {boolean} down */
  #turn(down) {
    this.down = down;
    announce(down ? `${LOST}.` : "Connected again.", { urgent: down });
    const button = h("button.button.small", { click: this.retry }, "Try now");
    fill(this, down && h("section.connection-lost", { "aria-label": "Connection" }, icon("alert"), this.words, button));
  }
}

customElements.define("byoc-connection-bar", ConnectionBar);
