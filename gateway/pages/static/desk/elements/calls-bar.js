// What waits for the rep's answer, with the time that is left: work that routing offers, and invitations.

import { announce, busy, h, keyed } from "../../kit/dom.js";
import { countdown } from "../../kit/format.js";
import { called } from "../reading.js";

// Letters of a note that may not fit on the card: the keyboard can scroll it.
const SCROLLS = 120;

class CallsBar extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("./desk-view.js").DeskView} */
  view;

  connectedCallback() {
    this.list = h("ul.calls");
    this.append(this.list);
    this.unwatch = this.desk.watch(["sessions"], () => this.#render());
    this.timer = setInterval(() => this.#tick(), 250);
    this.told = new Set();
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
    clearInterval(this.timer);
  }

  #render() {
    const now = this.desk.api.now();
    // The server closes what has run out; until its word comes, a button that can only be refused helps nobody.
    const calls = this.desk.calls.filter((call) => Date.parse(call.expires_at) > now);
    for (const call of calls) {
      if (this.told.has(call.key)) continue;
      this.told.add(call.key);
      announce(this.#title(call), { urgent: true });
    }
    keyed(this.list, calls, {
      key: (call) => call.key,
      make: (call) => this.#card(call),
      same: (a, b) => a.expires_at === b.expires_at && a.session.end_user.name === b.session.end_user.name,
      lost: () => this.#lost(),
    });
    this.hidden = !calls.length;
  }

  #tick() {
    let over = false;
    for (const time of this.list.querySelectorAll("time")) {
      const left = Date.parse(time.dateTime) - this.desk.api.now();
      const words = countdown(left);
      if (time.textContent !== words) time.textContent = words;
      const share = Math.max(0, Math.min(1, left / Number(time.dataset.whole)));
      time.nextElementSibling.style.inlineSize = `${100 * share}%`;
      over ||= left <= 0;
    }
    if (over) this.#render();
  }

  #title(call) {
    const { end_user: customer } = call.session;
    const { channel_title: channel } = call.session;
    if (call.kind === "offer") return `New conversation: ${called(customer)}, ${channel}`;
    const asker = call.invitation.from_name;
    const what = call.invitation.purpose === "transfer" ? "take over" : "join";
    return `${asker} asks you to ${what}: ${called(customer)}, ${channel}`;
  }

  #card(call) {
    const transfer = call.invitation?.purpose === "transfer";
    const left = Date.parse(call.expires_at) - this.desk.api.now();
    const from = call.kind === "offer" && call.session.offer?.queue ? `Queue ${call.session.offer.queue_name}` : null;
    return h(
      `li.call.${call.kind}`,
      { "data-session": call.session.id },
      h("p.call-title", { dir: "auto" }, this.#title(call)),
      from && h("p.muted", from),
      call.invitation?.note &&
        h(
          "p.note",
          { dir: "auto", tabindex: call.invitation.note.length > SCROLLS ? "0" : null },
          `“${call.invitation.note}”`,
        ),
      h(
        "p.left",
        h("span.unseen", "Time left: "),
        h("time", { datetime: call.expires_at, "data-whole": left }, countdown(left)),
        h("span.bar", { "aria-hidden": "true" }),
      ),
      h(
        "div.call-buttons",
        h(
          "button.button.primary",
          { "data-focus": "accept", click: (event) => busy(event.currentTarget, () => this.#accept(call)) },
          call.kind === "offer" ? "Accept" : transfer ? "Take over" : "Join",
        ),
        h(
          "button.button",
          { "data-focus": "decline", click: (event) => busy(event.currentTarget, () => this.desk.decline(call)) },
          "Decline",
        ),
      ),
    );
  }

  // The card with the focus is gone: on to the next, or to where the rep was led.
  #lost() {
    (this.list.querySelector("button") ?? document.querySelector("#search"))?.focus();
  }

  // The conversation opens at the press, not at the answer: what is typed meanwhile must not go to the customer before.
  async #accept(call) {
    const before = this.desk.selected;
    this.view.open(call.session.id);
    if (!(await this.desk.accept(call)) && this.desk.selected === call.session.id) this.view.open(before);
  }
}

customElements.define("byoc-calls-bar", CallsBar);
