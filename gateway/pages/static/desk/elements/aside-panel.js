// The flag and the side thread: what the customer never sees. A colour and a place of its own, and a field that can't
// be mistaken.

import { busy, fill, h, keyed } from "../../kit/dom.js";
import { clock, moment } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { linked } from "../../kit/text.js";
import { isAside, isIn } from "../reading.js";
import { saysSomething, UNSEEN } from "../wording.js";

class AsidePanel extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("./conversation.js").Conversation} */
  conversation;

  connectedCallback() {
    this.list = h("ol.aside-lines", { tabindex: "0", "aria-label": "Internal thread" });
    this.text = h("textarea.field", {
      id: "aside-text",
      rows: 2,
      dir: "auto",
      required: true,
      keydown: (event) => this.#key(event),
    });
    this.label = h("label.above", { for: "aside-text" });
    this.send = h("button.button.aside", { type: "submit" });
    this.form = h("form.aside-form", { submit: (event) => this.#submit(event) }, this.label, this.text, this.send);
    this.lower = h("button.button.small", { click: (event) => this.#lower(event.currentTarget) }, "Lower flag");
    this.close = h(
      "button.button.bare.round",
      { "aria-label": "Close the internal thread", click: () => this.conversation.toggleAside(false) },
      icon("close"),
    );
    this.reason = h("p.aside-reason");
    this.whose = h("select.field", { "aria-label": "Whose flag", change: () => this.#choose(this.whose.value) });
    fill(
      this,
      h(
        "aside.aside",
        { "aria-labelledby": "aside-title" },
        h(
          "header",
          icon("lock"),
          h("div", h("h2", { id: "aside-title" }, "Internal"), h("p", "The customer never sees this.")),
          this.close,
        ),
        this.reason,
        this.whose,
        this.list,
        h("div.aside-foot", this.lower, this.form),
      ),
    );
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
      this.chosen = "";
      this.list.shownItems = new Map();
      this.list.replaceChildren();
    }
    const flag = desk.me.supervisor
      ? this.#flag(session)
      : session.flags.find(({ raised_by }) => raised_by === desk.me.login);
    this.flag = flag;
    const may = flag || isIn(session, desk.me.login);
    const others = session.flags.map(({ raised_by_name }) => raised_by_name).join(", ");
    this.form.hidden = !may || session.status === "ended" || this.torn;
    this.lower.hidden = !flag;
    this.reason.hidden = !others;
    this.reason.textContent = `Flag raised by ${others}`;
    this.label.textContent = flag
      ? flag.raised_by === desk.me.login
        ? "Whisper to your supervisors"
        : `Whisper to ${flag.raised_by_name}`
      : "Raise a flag: tell a supervisor what you need";
    fill(this.send, icon(flag ? "lock" : "flag", 16), flag ? "Whisper" : "Raise flag");
    this.#lines(session);
    this.#reach(session);
  }

  // Several reps may ask for help at once. What is being written is meant for one of them: when that flag is lowered,
  // a supervisor chooses anew.
  #flag(session) {
    const { flags } = session;
    const known = flags.find(({ raised_by }) => raised_by === this.chosen);
    this.torn = Boolean(!known && this.chosen && flags.length && this.text.value.trim());
    const chosen = known ?? (this.torn ? null : session.flag);
    if (!this.torn) this.chosen = chosen?.raised_by;
    this.whose.hidden = flags.length < 2 && !this.torn;
    const names = JSON.stringify([
      ...(this.torn ? [["", "Choose whose flag"]] : []),
      ...flags.map((one) => [one.raised_by, `${one.raised_by_name}’s flag`]),
    ]);
    if (names !== this.names) {
      this.names = names;
      fill(this.whose, ...JSON.parse(names).map(([value, words]) => h("option", { value }, words)));
    }
    this.whose.value = chosen?.raised_by ?? "";
    return chosen;
  }

  #choose(login) {
    this.chosen = login;
    this.render();
  }

  #lines(session) {
    const near = this.list.scrollTop + this.list.clientHeight >= this.list.scrollHeight - 40;
    const unsent = this.desk.outbox.of(session.id).filter((item) => item.aside);
    const lines = [
      ...this.desk.transcript(session.id).asides.map((entry) => ({ key: entry.number, entry })),
      ...unsent.map((item) => ({ key: item.key, item, sign: item.state })),
    ];
    keyed(this.list, lines, {
      key: ({ key }) => key,
      make: (line) => this.#line(line),
      same: (a, b) => a.entry === b.entry && a.sign === b.sign,
    });
    if (near) this.list.scrollTop = this.list.scrollHeight;
  }

  // A flag may be older than what is loaded.
  #reach(session) {
    const transcript = this.desk.transcript(session.id);
    const raised = session.flag?.raised_at;
    if (
      raised &&
      transcript.loaded &&
      transcript.remaining &&
      !transcript.loading &&
      transcript.entries[0]?.at > raised
    )
      this.desk.loadOlder(session.id);
  }

  #line({ entry, item }) {
    if (item)
      return h(
        "li.aside-line.mine",
        h("p", { dir: "auto" }, item.text),
        h(
          "p.meta",
          item.state === "refused" ? `Not sent: ${item.problem} ` : "Sending …",
          item.state === "refused" &&
            h("button.button.small", { click: () => this.desk.outbox.discard(item.key) }, "Discard"),
        ),
      );
    const words = { flag_raised: "raised a flag", flag_lowered: "lowered the flag" }[entry.kind];
    const mine = entry.from?.id === this.desk.me.login;
    return h(
      `li.aside-line.${entry.kind}.${mine ? "mine" : ""}`,
      h(
        "p.speaker",
        h("span", { dir: "auto" }, entry.from?.name ?? "The system"),
        words && ` ${words}`,
        this.#about(entry),
        " ",
        h("time", { datetime: entry.at, title: moment(entry.at) }, clock(entry.at)),
      ),
      entry.text && h("p.text", { dir: "auto" }, linked(entry.text)),
    );
  }

  // Where two threads stand side by side, each whisper says whose it is in.
  #about({ kind, from, details }) {
    const about =
      kind === "whisper" &&
      this.desk.current?.flags.length > 1 &&
      this.desk.current.flags.find(({ raised_by }) => raised_by === details?.raised_by);
    return about && about.raised_by !== from?.id ? ` to ${about.raised_by_name}` : null;
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
    if (this.flag) {
      desk.outbox.say(id, { text, aside: true, to: this.flag.raised_by });
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
    const { raised_by } = this.flag;
    busy(button, () => this.desk.act(id, () => this.desk.api.lowerFlag(id, raised_by)));
  }
}

/** Whether a session has a side thread to show. */
export const hasAside = (session, transcript) => Boolean(session.flag) || transcript.entries.some(isAside);

customElements.define("byoc-aside", AsidePanel);
