// The flag and the side thread: what the customer never sees. A colour and a place of its own, and a field that can't
// be mistaken.

import { busy, fill, h, keyed } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { said, time } from "../../kit/pieces.js";
import { isIn } from "../state/sessions.js";
import { saysSomething, UNSEEN } from "../words.js";
import { submitOnEnter } from "./composer.js";
import { Part } from "./part.js";

/** @typedef {{key: number | string, entry?: V1.Entry, item?: import("../state/outbox.js").Item, sign?: string}} Line */

const NEAR_END = 40;
/** @type {{[kind: string]: string}} */
const DEEDS = { flag_raised: " raised a flag", flag_lowered: " lowered the flag" };

export class AsidePanel extends Part {
  /** @type {string | null} */
  shown = null;
  // Whose flag a supervisor answers; which of several.
  chosen = "";
  // That flag was lowered while something was being written: whose it is for now must be chosen anew.
  torn = false;
  /** @type {V1.Flag | null} */
  flag = null;
  options = "";

  list = h("ol.aside-lines", { tabindex: "0", "aria-label": "Internal thread" });
  /** @type {HTMLTextAreaElement} */
  text = h("textarea.field", {
    id: "aside-text",
    rows: 2,
    dir: "auto",
    required: true,
    keydown: (event) => submitOnEnter(event, this.form),
  });
  label = h("label.above", { for: "aside-text" });
  send = h("button.button.aside", { type: "submit" });
  /** @type {HTMLFormElement} */
  form = h("form.aside-form", { submit: (event) => this.#submit(event) }, this.label, this.text, this.send);
  lower = h("button.button.small", { click: () => this.#lower() }, "Lower flag");
  reason = h("p.aside-reason");
  /** @type {HTMLSelectElement} */
  whose = h("select.field", { hidden: true, "aria-label": "Whose flag", change: () => this.#choose(this.whose.value) });

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {() => void} close
   */
  constructor(desk, close) {
    super(desk);
    const closing = { "aria-label": "Close the internal thread", click: close };
    this.append(
      h(
        "aside.aside",
        { "aria-labelledby": "aside-title" },
        h(
          "header",
          icon("lock"),
          h("div", h("h2", { id: "aside-title" }, "Internal"), h("p", "The customer never sees this.")),
          h("button.button.bare.round", closing, icon("close")),
        ),
        this.reason,
        this.whose,
        this.list,
        h("div.aside-foot", this.lower, this.form),
      ),
    );
  }

  connectedCallback() {
    this.follow(["log", "selection"], () => this.#render());
  }

  #render() {
    const { desk } = this;
    const { login, supervisor } = desk.me;
    const session = desk.current;
    if (!session) return;
    if (session.id !== this.shown) {
      this.shown = session.id;
      this.text.value = "";
      this.chosen = "";
      this.#list([]);
    }
    const flag = supervisor ? this.#choice(session) : session.flags.find(({ raised_by: by }) => by === login);
    this.flag = flag ?? null;
    const others = session.flags.map(({ raised_by_name: name }) => name).join(", ");
    this.form.hidden = !(flag || isIn(session, login)) || session.status === "ended" || this.torn;
    this.lower.hidden = !flag;
    this.reason.hidden = !others;
    this.reason.textContent = `Flag raised by ${others}`;
    const whom = flag?.raised_by === login ? "your supervisors" : flag?.raised_by_name;
    this.label.textContent = flag ? `Whisper to ${whom}` : "Raise a flag: tell a supervisor what you need";
    fill(this.send, icon(flag ? "lock" : "flag", 16), flag ? "Whisper" : "Raise flag");
    this.#lines(session.id);
    this.#reach(session);
  }

  /**
   * Several reps may ask for help at once. What is being written is meant for one of them: when that flag is lowered, a
   * supervisor chooses anew.
   * @param {V1.Session} session
   */
  #choice({ flag: first, flags }) {
    const known = flags.find(({ raised_by: by }) => by === this.chosen);
    this.torn = Boolean(!known && this.chosen && flags.length && this.text.value.trim());
    const flag = known ?? (this.torn ? null : first);
    if (!this.torn) this.chosen = flag?.raised_by ?? "";
    this.whose.hidden = flags.length < 2 && !this.torn;
    const offered = flags.map(({ raised_by: by, raised_by_name: name }) => [by, `${name}’s flag`]);
    if (this.torn) offered.unshift(["", "Choose whose flag"]);
    const options = JSON.stringify(offered);
    if (options !== this.options) {
      this.options = options;
      fill(
        this.whose,
        offered.map(([value, words]) => h("option", { value }, words)),
      );
    }
    this.whose.value = flag?.raised_by ?? "";
    return flag;
  }

  /** @param {string} login */
  #choose(login) {
    this.chosen = login;
    this.#render();
  }

  /** @param {string} id */
  #lines(id) {
    const { scrollTop, clientHeight, scrollHeight } = this.list;
    const near = scrollTop + clientHeight >= scrollHeight - NEAR_END;
    const { outbox, transcripts } = this.desk;
    this.#list([
      ...transcripts.of(id).asides.map((entry) => ({ key: entry.number, entry })),
      ...outbox.of(id).flatMap((item) => (item.aside ? [{ key: item.key, item, sign: item.state }] : [])),
    ]);
    if (near) this.list.scrollTop = this.list.scrollHeight;
  }

  /** @param {Line[]} lines */
  #list(lines) {
    keyed(this.list, lines, {
      key: ({ key }) => key,
      make: ({ entry, item }) => (item ? this.#unsent(item) : this.#line(/** @type {V1.Entry} */ (entry))),
      same: (a, b) => a.entry === b.entry && a.sign === b.sign,
    });
  }

  /**
   * A flag may be older than what is loaded.
   * @param {V1.Session} session
   */
  #reach({ id, flag }) {
    const { loaded, remaining, loading, entries } = this.desk.transcripts.of(id);
    if (!flag || !loaded || !remaining || loading) return;
    if (entries[0]?.at > flag.raised_at) this.desk.transcripts.loadOlder(id);
  }

  /** @param {import("../state/outbox.js").Item} item */
  #unsent({ key, text, state, problem }) {
    const discard = h("button.button.small", { click: () => this.desk.outbox.discard(key) }, "Discard");
    const meta = state === "refused" ? h("p.meta", `Not sent: ${problem} `, discard) : h("p.meta", "Sending …");
    return h("li.aside-line.mine", h("p", { dir: "auto" }, text), meta);
  }

  /** @param {V1.Entry} entry */
  #line(entry) {
    const { kind, from, at, text } = entry;
    return h(
      `li.aside-line.${kind}${from?.id === this.desk.me.login ? ".mine" : ""}`,
      h(
        "p.speaker",
        h("span", { dir: "auto" }, from?.name ?? "The system"),
        DEEDS[kind],
        this.#about(entry),
        " ",
        time(at),
      ),
      text && said(text),
    );
  }

  /**
   * Where two threads stand side by side, each whisper says whose it is in.
   * @param {V1.Entry} entry
   */
  #about({ kind, from, details }) {
    const flags = this.desk.current?.flags ?? [];
    if (kind !== "whisper" || flags.length < 2) return null;
    const about = flags.find(({ raised_by: by }) => by === details.raised_by);
    return about && about.raised_by !== from?.id ? ` to ${about.raised_by_name}` : null;
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    const { desk, shown: id, flag } = this;
    if (!text || !id) return;
    if (!saysSomething(text)) {
      desk.notices.add(id, UNSEEN, "bad");
      return;
    }
    if (flag) {
      desk.outbox.say(id, { text, aside: true, to: flag.raised_by });
      this.text.value = "";
      this.#render();
      return;
    }
    await busy(this.send, async () => {
      if (await desk.act(id, () => desk.api.raiseFlag(id, text))) this.text.value = "";
    });
  }

  #lower() {
    const { desk, shown: id, flag } = this;
    if (id && flag) busy(this.lower, () => desk.act(id, () => desk.api.lowerFlag(id, flag.raised_by)));
  }
}

customElements.define("byoc-aside", AsidePanel);
