// The flag and the side thread: what the customer never sees. A colour and a place of its own, and a field that can't be mistaken.

import { busy, fill, h, keyed } from "../../kit/dom.js";
import { clock, moment } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { linked } from "../../kit/text.js";
import { isAside, isIn } from "../reading.js";
import { UNSEEN, saysSomething } from "../wording.js";

class AsidePanel extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("./conversation.js").Conversation} */
  conversation;

  connectedCallback() {
    this.list = h("ol", { class: "aside-lines", tabindex: "0", "aria-label": "Internal thread" });
    this.text = h("textarea", { id: "aside-text", class: "field", rows: 2, dir: "auto", required: true, on: { keydown: (event) => this.#key(event) } });
    this.label = h("label", { class: "above", htmlFor: "aside-text" });
    this.send = h("button", { class: "button aside", type: "submit" });
    this.form = h("form", { class: "aside-form", on: { submit: (event) => this.#submit(event) } }, this.label, this.text, this.send);
    this.lower = h("button", { class: "button small", type: "button", on: { click: (event) => this.#lower(event.currentTarget) } }, "Lower flag");
    this.close = h("button", { class: "button bare round", type: "button", "aria-label": "Close the internal thread", on: { click: () => this.conversation.toggleAside(false) } }, icon("close"));
    this.reason = h("p", { class: "aside-reason" });
    fill(this, h("aside", { class: "aside", "aria-labelledby": "aside-title" }, h("header", {}, icon("lock"), h("div", {}, h("h2", { id: "aside-title" }, "Internal"), h("p", {}, "The customer never sees this.")), this.close), this.reason, this.list, h("div", { class: "aside-foot" }, this.lower, this.form)));
    this.unwatch = this.desk.watch(["log", "selection"], () => this.render());
    this.render();
  }

  disconnectedCallback() {
    this.unwatch();
  }

  focusField() {
    this.text.focus();
  }

  render() {
    const { desk } = this;
    const session = desk.current;
    if (!session) return;
    if (session.id !== this.shown) {
      this.shown = session.id;
      this.text.value = "";
      this.list.shownItems = new Map();
      this.list.replaceChildren();
    }
    const { flag } = session;
    const may = flag ? desk.me.supervisor || flag.raised_by === desk.me.login : isIn(session, desk.me.login);
    this.form.hidden = !may || session.status === "ended";
    this.lower.hidden = !flag || !may;
    this.reason.hidden = !flag;
    this.reason.textContent = flag ? `Flag raised by ${flag.raised_by_name}` : "";
    this.label.textContent = flag ? (flag.raised_by === desk.me.login ? "Whisper to your supervisors" : `Whisper to ${flag.raised_by_name}`) : "Raise a flag: tell a supervisor what you need";
    fill(this.send, icon(flag ? "lock" : "flag", { size: 16 }), flag ? "Whisper" : "Raise flag");
    this.#lines(session);
    this.#reach(session);
  }

  #lines(session) {
    const near = this.list.scrollTop + this.list.clientHeight >= this.list.scrollHeight - 40;
    const unsent = this.desk.outbox.of(session.id).filter((item) => item.aside);
    const lines = [...this.desk.transcript(session.id).asides.map((entry) => ({ key: entry.number, entry })), ...unsent.map((item) => ({ key: item.key, item, sign: item.state }))];
    keyed(this.list, lines, { key: ({ key }) => key, make: (line) => this.#line(line), same: (a, b) => a.entry === b.entry && a.sign === b.sign });
    if (near) this.list.scrollTop = this.list.scrollHeight;
  }

  // A flag may be older than what is loaded.
  #reach(session) {
    const transcript = this.desk.transcript(session.id);
    const raised = session.flag?.raised_at;
    if (raised && transcript.loaded && transcript.remaining && !transcript.loading && transcript.entries[0]?.at > raised) this.desk.loadOlder(session.id);
  }

  #line({ entry, item }) {
    if (item) return h("li", { class: "aside-line mine" }, h("p", { dir: "auto" }, item.text), h("p", { class: "meta" }, item.state === "refused" ? `Not sent: ${item.problem} ` : "Sending …", item.state === "refused" && h("button", { class: "button small", type: "button", on: { click: () => this.desk.outbox.discard(item.key) } }, "Discard")));
    const words = { flag_raised: "raised a flag", flag_lowered: "lowered the flag" }[entry.kind];
    const mine = entry.from?.id === this.desk.me.login;
    return h("li", { class: `aside-line ${entry.kind} ${mine ? "mine" : ""}` }, h("p", { class: "speaker" }, h("span", { dir: "auto" }, entry.from?.name ?? "The system"), words && ` ${words}`, " ", h("time", { datetime: entry.at, title: moment(entry.at) }, clock(entry.at))), entry.text && h("p", { class: "text", dir: "auto" }, linked(entry.text)));
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  async #submit(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    const { desk, shown: id } = this;
    if (!text) return;
    if (!saysSomething(text)) {
      desk.notice(id, UNSEEN, "bad");
      return;
    }
    if (desk.current.flag) {
      desk.outbox.say(id, { text, aside: true });
      this.text.value = "";
      this.render();
      return;
    }
    await busy(this.send, async () => {
      if (await desk.act(id, () => desk.api.raiseFlag(id, text))) this.text.value = "";
    });
  }

  #lower(button) {
    const id = this.shown;
    busy(button, () => this.desk.act(id, () => this.desk.api.lowerFlag(id)));
  }
}

/** Whether a session has a side thread to show. */
export const hasAside = (session, transcript) => Boolean(session.flag) || transcript.entries.some(isAside);

customElements.define("byoc-aside", AsidePanel);
