// The widget's looks: a button in the corner, and the panel that it opens.

import { Composer } from "./composer.js";
import { h, icon } from "./dom.js";
import { askForm } from "./form.js";
import { Log, plain } from "./log.js";
import { Voice } from "./speak.js";
import { readableOn, sheet } from "./style.js";
import { wordsOf } from "./words.js";

const TYPING_FADES = 8_000;
const TYPING_IS_SAID_AFTER = 2_000;

export class Panel {
  constructor(host, client, display) {
    this.host = host;
    this.client = client;
    this.words = wordsOf(client.locale);
    this.alone = display !== "launcher";
    this.isOpen = false;
    this.#build();
    this.#listen();
  }

  #typing = null;
  #confirming = false;

  #build() {
    const { words } = this;
    const root = this.host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    this.voice = new Voice();
    this.log = new Log(this.client, words);
    this.composer = new Composer(this.client, words, () => this.log.down());
    this.title = h("h1", { id: "title" });
    this.endButton = h(
      "button",
      { class: "icon", type: "button", "aria-label": words("end"), hidden: true, click: () => this.#askEnd() },
      icon("end"),
    );
    const close = h(
      "button",
      { class: "icon", type: "button", "aria-label": words("close"), click: () => this.close() },
      icon("close"),
    );
    this.state = h("div", { class: "state", hidden: true });
    this.typing = h("div", { class: "typing", "aria-hidden": "true" });
    this.bar = h("div", { class: "bar", hidden: true });
    this.form = null;
    this.talk = [this.log.element, this.typing, this.composer.element];
    this.panel = h(
      this.alone ? "main" : "div",
      {
        class: "panel",
        id: "panel",
        "aria-labelledby": "title",
        hidden: true,
        ...(this.alone ? {} : { role: "dialog" }),
      },
      h("header", {}, this.title, this.endButton, this.alone ? null : close),
      this.state,
      ...this.talk,
      this.bar,
    );
    this.panel.addEventListener("keydown", (event) => event.key === "Escape" && !this.alone && this.close());
    this.badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
    this.launcher = h(
      "button",
      {
        class: "launcher",
        type: "button",
        "aria-expanded": "false",
        "aria-controls": "panel",
        click: () => this.toggle(),
      },
      icon("chat"),
      this.badge,
    );
    root.append(this.voice.element, this.panel, ...(this.alone ? [] : [this.launcher]));
    this.composer.catchDrops(this.panel);
    this.#unread();
  }

  #listen() {
    const { client, log } = this;
    const hears = {
      config: () => this.#configured(),
      state: () => this.#stated(),
      history: () => {
        log.history();
        this.#around();
      },
      reset: () => log.reset(),
      line: (line) => this.#line(line),
      queue: () => {
        log.queue();
        this.#stated();
        this.#around();
        this.#failures();
      },
      progress: (wish) => log.progress(wish),
      typing: (frame) => this.#types(frame),
      read: () => this.#unread(),
    };
    for (const [name, listener] of Object.entries(hears)) client.on(name, listener);
    for (const name of ["focus", "visibilitychange"]) addEventListener(name, () => this.#seen());
    document.addEventListener("visibilitychange", () => this.#seen());
  }

  // ------------------------------------------------------------------------------------------ open and closed

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  open({ focus = true } = {}) {
    this.isOpen = true;
    this.panel.hidden = false;
    this.launcher.setAttribute("aria-expanded", "true");
    if (!this.alone) this.client.remember({ open: true });
    this.#unread();
    this.log.down();
    this.#seen();
    if (this.client.state === "idle") this.client.start();
    if (focus) this.#focus();
  }

  close() {
    if (this.alone) return;
    this.isOpen = false;
    this.panel.hidden = true;
    this.launcher.setAttribute("aria-expanded", "false");
    this.client.remember({ open: false });
    this.#unread();
    this.launcher.focus();
  }

  #focus() {
    (
      this.form?.querySelector("input, select") ||
      (this.bar.hidden ? this.composer.input : this.bar.querySelector("button"))
    ).focus();
  }

  // ------------------------------------------------------------------------------------------------ what changes

  #configured() {
    const { config } = this.client;
    this.title.textContent = config.title;
    this.client.remember({ open: this.isOpen });
    this.host.style.setProperty("--accent", config.accent);
    this.host.style.setProperty("--on-accent", readableOn(config.accent));
    this.log.greet(config.welcome);
    const hadFocus = this.form?.contains(this.host.shadowRoot.activeElement);
    this.form?.remove();
    this.form = null;
    if (config.prechat.length) {
      this.form = askForm(config.prechat, this.words, (answers) => this.client.start(answers));
      this.panel.append(this.form);
    }
    for (const part of this.talk) part.hidden = Boolean(this.form);
    this.#around();
    if (hadFocus) this.#focus();
  }

  // What the line above the conversation says; "live" and "idle" say nothing.
  #stated() {
    const { state: now, slow } = this.client;
    const state = slow && (now === "live" || now === "connecting") ? "slow" : now;
    const shown = ["offline", "connecting", "refused", "slow"].includes(state);
    const text = shown ? this.words(state) : "";
    if (shown && state !== "connecting" && text !== this.state.textContent) this.#say(state);
    this.state.hidden = !shown;
    this.state.textContent = text;
    if (state === "idle" && this.isOpen) this.client.start(); // signed out: somebody new
  }

  #line(line) {
    this.log.line(line);
    const theirs = line.from?.kind !== "visitor";
    if (line.type === "message" && theirs) {
      this.#types({ on: false });
      const name = line.from?.name || this.words("agent");
      this.voice.say(this.isOpen ? `${name}: ${plain(line)}` : this.words("unread", { n: this.client.unread }));
    }
    if (line.type === "notice" && this.isOpen) this.voice.say(line.text || this.words("ended"));
    this.#unread();
    this.#seen();
    this.#around();
  }

  // What stands around the conversation: the end, quick replies, the bar of a closed chat.
  #around() {
    const { client } = this;
    if (!client.config || this.form) return;
    const closed = client.ended && !client.waiting.length;
    if (closed) this.#types({ on: false });
    const last = client.lines.at(-1);
    this.composer.offer(
      client.waiting.length ? [] : last?.quick_replies || (client.lines.length ? [] : client.config.starters),
    );
    this.endButton.hidden = closed || !client.lines.some((line) => line.type === "message");
    if (closed) this.#bar([], ["save", () => this.#save()], ["anew", () => this.#anew(), "main"]);
    else if (!this.#confirming) this.#bar();
    this.composer.element.hidden = !this.bar.hidden;
  }

  #bar(words, ...buttons) {
    const had = this.bar.contains(this.host.shadowRoot.activeElement);
    this.bar.hidden = !words;
    const made = buttons.map(([word, act, kind]) =>
      h("button", { type: "button", class: kind, click: act }, this.words(word)),
    );
    this.bar.replaceChildren(...(words || []), ...made);
    this.composer.element.hidden = Boolean(words);
    if (had) this.#focus();
  }

  #unread() {
    const n = this.isOpen ? 0 : this.client.unread;
    this.badge.hidden = !n;
    this.badge.textContent = String(n);
    const name = this.words(this.isOpen ? "close" : "open");
    this.launcher.setAttribute("aria-label", n ? `${name}. ${this.words("unread", { n })}` : name);
  }

  // Read is what stood before the visitor's eyes: the panel open, the page in front.
  #seen() {
    if (this.isOpen && !document.hidden && document.hasFocus()) this.client.seen();
  }

  /** @param {{on: boolean, from?: {name?: string}}} frame */
  #types({ on, from }) {
    clearTimeout(this.#typing?.fade);
    clearTimeout(this.#typing?.said);
    this.typing.textContent = "";
    this.#typing = null;
    if (!on) return;
    const text = this.words("typing", { name: from?.name || this.words("agent") });
    this.typing.textContent = text;
    this.#typing = {
      fade: setTimeout(() => this.#types({ on: false }), TYPING_FADES),
      said: setTimeout(() => this.isOpen && this.voice.say(text), TYPING_IS_SAID_AFTER),
    };
  }

  #failures() {
    for (const wish of this.client.waiting) {
      if (wish.status === "failed" && !wish.told)
        this.#say(wish.reason === "unsupported_media_type" ? "wrong_type" : "failed");
      wish.told = wish.status === "failed";
    }
  }

  #say(word) {
    if (this.isOpen) this.voice.say(this.words(word));
  }

  // ------------------------------------------------------------------------------------------------- the end

  #askEnd() {
    this.#confirming = true;
    const leave = (then) => () => {
      this.#confirming = false;
      this.#bar();
      then?.();
      this.#around();
      this.#focus();
    };
    this.#bar(
      [h("p", {}, this.words("end_sure"))],
      ["end", leave(() => this.client.end()), "main"],
      ["cancel", leave()],
    );
    this.bar.querySelector("button").focus();
  }

  #anew() {
    this.client.ended = false;
    this.#around();
    this.#focus();
  }

  // The transcript, whole, as a text to keep. It holds what this visitor was shown, for it is made of nothing else.
  async #save() {
    while ((await this.client.loadOlder()).length);
    const when = new Intl.DateTimeFormat(this.client.locale, { dateStyle: "medium", timeStyle: "short" });
    const lines = this.client.lines.map((line) => {
      const name = line.from?.kind === "visitor" ? this.words("you") : line.from?.name || this.words("agent");
      const text = line.type === "notice" ? `— ${line.text || this.words("ended")}` : `${name}: ${plain(line)}`;
      return `${when.format(new Date(line.at))}  ${text}`;
    });
    const href = URL.createObjectURL(
      new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/plain;charset=utf-8" }),
    );
    h("a", { href, download: "chat.txt" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
    this.log.history();
  }
}
