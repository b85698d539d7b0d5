// What waits for the rep's answer, with the time that is left: work that routing offers, and invitations.

import { announce, busy, h, keyed, write } from "../../kit/dom.js";
import { countdown } from "../../kit/format.js";
import { ASKED_TO, called } from "../state/sessions.js";
import { Part } from "./part.js";

/** @typedef {import("../../../types.js").Call} Call */

// Letters of a note that may not fit on the card: the keyboard can scroll it.
const SCROLLS = 120;
const JOINING = { invite: "Join", transfer: "Take over" };

export class CallsBar extends Part {
  list = h("ul.calls");
  told = new Set();

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {(session: string | null) => void} open
   */
  constructor(desk, open) {
    super(desk);
    this.open = open;
    this.append(this.list);
  }

  connectedCallback() {
    this.follow(["sessions"], () => this.#render());
    this.every(250, () => this.#tick());
  }

  #render() {
    // The server closes what has run out; until its word comes, a button that can only be refused helps nobody.
    const calls = this.desk.calls.filter((call) => this.desk.api.until(call.expires_at) > 0);
    for (const call of calls) {
      if (this.told.has(call.key)) continue;
      this.told.add(call.key);
      announce(title(call), { urgent: true });
    }
    keyed(this.list, calls, {
      key: ({ key }) => key,
      make: (call) => this.#card(call),
      same: (a, b) => a.expires_at === b.expires_at && a.session.end_user.name === b.session.end_user.name,
      // The card with the focus is gone: on to the next, or to where the rep was led.
      lost: () => (this.list.querySelector("button") ?? document.querySelector("#search"))?.focus(),
    });
    this.hidden = !calls.length;
  }

  #tick() {
    let over = false;
    for (const time of this.list.querySelectorAll("time")) {
      const left = this.desk.api.until(time.dateTime);
      write(time, countdown(left));
      const share = Math.max(0, Math.min(1, left / Number(time.dataset.whole)));
      const bar = /** @type {HTMLElement} */ (time.nextElementSibling);
      bar.style.inlineSize = `${100 * share}%`;
      over ||= left <= 0;
    }
    if (over) this.#render();
  }

  /** @param {Call} call */
  #card(call) {
    const { session, invitation, expires_at: datetime } = call;
    const left = this.desk.api.until(datetime);
    const note = invitation?.note;
    return h(
      `li.call.${invitation ? "invitation" : "offer"}`,
      { "data-session": session.id },
      h("p.call-title", { dir: "auto" }, title(call)),
      !invitation && session.offer?.queue && h("p.muted", `Queue ${session.offer.queue_name}`),
      note && h("p.note", { dir: "auto", tabindex: note.length > SCROLLS ? "0" : null }, `“${note}”`),
      h(
        "p.left",
        h("span.unseen", "Time left: "),
        h("time", { datetime, "data-whole": left }, countdown(left)),
        h("span.bar", { "aria-hidden": "true" }),
      ),
      h(
        "div.call-buttons",
        h(
          "button.button.primary",
          { "data-focus": "accept", click: (event) => busy(event.currentTarget, () => this.#accept(call)) },
          invitation ? JOINING[invitation.purpose] : "Accept",
        ),
        h(
          "button.button",
          { "data-focus": "decline", click: (event) => busy(event.currentTarget, () => this.desk.decline(call)) },
          "Decline",
        ),
      ),
    );
  }

  /**
   * The conversation opens at the press, not at the answer: what is typed meanwhile must not go to the customer before.
   * @param {Call} call
   */
  async #accept(call) {
    const before = this.desk.selected;
    this.open(call.session.id);
    if (!(await this.desk.accept(call)) && this.desk.selected === call.session.id) this.open(before);
  }
}

/** @param {Call} call */
function title({ session, invitation }) {
  const about = `${called(session.end_user)}, ${session.channel_title}`;
  if (!invitation) return `New conversation: ${about}`;
  return `${invitation.from_name} asks you to ${ASKED_TO[invitation.purpose]}: ${about}`;
}

customElements.define("byoc-calls-bar", CallsBar);
