// The widget's looks: a button in the corner, and the panel that it opens.

import { askForm, Composer } from "./composer.js";
import { h, icon, Voice } from "./dom.js";
import { Log } from "./log.js";
import { readableOn, sheet } from "./style.js";
import { nameOf, plain, transcriptOf, wordsOf } from "./words.js";

const TYPING_FADES = 8_000;
const TYPING_IS_SAID_AFTER = 2_000;

/** @typedef {import("./types.js").Line} Line */

export class Panel {
  isOpen = false;
  voice = new Voice();
  title = h("h1", { id: "title" });
  state = h("div.state", { hidden: true });
  typing = h("div.typing", { "aria-hidden": "true" });
  bar = h("div.bar", { hidden: true });
  badge = h("span.badge", { "aria-hidden": "true", hidden: true });
  /** @type {HTMLFormElement | null} */
  form = null;
  // The timers of somebody's typing: until it fades, until it is said.
  #typingTimers = [0, 0];
  #confirming = false;

  /**
   * @param {HTMLElement} host
   * @param {import("./client.js").Client} client
   * @param {string} display
   */
  constructor(host, client, display) {
    const words = wordsOf(client.locale);
    this.host = host;
    this.client = client;
    this.words = words;
    this.alone = display !== "launcher";
    this.root = host.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [sheet];
    this.log = new Log(client, words);
    this.composer = new Composer(client, words, () => this.log.down());
    this.talk = [this.log.element, this.typing, this.composer.element];
    const ends = { "aria-label": words("end"), hidden: true, click: () => this.#askEnd() };
    this.endButton = h("button.icon", ends, icon("end"));
    const closes = { "aria-label": words("close"), click: () => this.close() };
    this.panel = h(
      this.alone ? "main.panel" : "div.panel",
      {
        id: "panel",
        "aria-labelledby": "title",
        hidden: true,
        role: this.alone ? null : "dialog",
        keydown: ({ key }) => key === "Escape" && this.close(),
      },
      h("header", this.title, this.endButton, !this.alone && h("button.icon", closes, icon("close"))),
      this.state,
      this.talk,
      this.bar,
    );
    const opens = { "aria-expanded": "false", "aria-controls": "panel", click: () => this.toggle() };
    this.launcher = h("button.launcher", opens, icon("chat"), this.badge);
    this.root.append(this.voice.element, this.panel, ...(this.alone ? [] : [this.launcher]));
    this.composer.catchDrops(this.panel);
    this.#unread();
    this.#listen();
  }

  #listen() {
    const { client, log } = this;
    /** @type {{[name: string]: (detail: any) => void}} */
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
    const next = this.form?.querySelector("input, select") ?? this.bar.querySelector("button") ?? this.composer.input;
    /** @type {HTMLElement} */ (next).focus();
  }

  // ------------------------------------------------------------------------------------------------ what changes

  #configured() {
    const { config } = this.client;
    if (!config) return;
    this.title.textContent = config.title;
    this.client.remember({ open: this.isOpen });
    this.host.style.setProperty("--accent", config.accent);
    this.host.style.setProperty("--on-accent", readableOn(config.accent));
    this.log.greet(config.welcome);
    const hadFocus = this.form?.contains(this.root.activeElement);
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

  /** What the line above the conversation says; "live" and "idle" say nothing. */
  #stated() {
    const { state: now, queue } = this.client;
    const { slow } = queue;
    const state = slow && (now === "live" || now === "connecting") ? "slow" : now;
    const shown = ["offline", "connecting", "refused", "slow"].includes(state);
    const text = shown ? this.words(state) : "";
    if (shown && state !== "connecting" && text !== this.state.textContent) this.#say(state);
    this.state.hidden = !shown;
    this.state.textContent = text;
    // Signed out: somebody new.
    if (state === "idle" && this.isOpen) this.client.start();
  }

  /** @param {Line} line */
  #line(line) {
    this.log.line(line);
    const theirs = line.from?.kind !== "visitor";
    if (line.type === "message" && theirs) {
      this.#types({ on: false });
      const said = `${nameOf(line, this.words)}: ${plain(line)}`;
      this.voice.say(this.isOpen ? said : this.words("unread", { n: this.client.unread }));
    }
    if (line.type === "notice" && this.isOpen) this.voice.say(line.text || this.words("ended"));
    this.#unread();
    this.#seen();
    this.#around();
  }

  /** What stands around the conversation: the end, quick replies, the bar of a closed chat. */
  #around() {
    const { client } = this;
    if (!client.config || this.form) return;
    const waits = client.queue.waiting.length > 0;
    const closed = client.ended && !waits;
    if (closed) this.#types({ on: false });
    const last = client.lines.at(-1);
    const replies = last ? (last.quick_replies ?? []) : client.config.starters;
    this.composer.offer(waits ? [] : replies);
    this.endButton.hidden = closed || !client.lines.some((line) => line.type === "message");
    if (closed) this.#bar([], ["save", () => this.#save()], ["anew", () => this.#anew(), "main"]);
    else if (!this.#confirming) this.#bar();
    this.composer.element.hidden = !this.bar.hidden;
  }

  /**
   * Show the bar in the composer's place, or hide it.
   * @param {Node[]} [words]
   * @param {[word: string, click: () => void, kind?: "main"][]} buttons
   */
  #bar(words, ...buttons) {
    const had = this.bar.contains(this.root.activeElement);
    this.bar.hidden = !words;
    const made = buttons.map(([word, click, kind]) => h(kind ? "button.main" : "button", { click }, this.words(word)));
    this.bar.replaceChildren(...(words ?? []), ...made);
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

  /** Read is what stood before the visitor's eyes: the panel open, the page in front. */
  #seen() {
    if (this.isOpen && !document.hidden && document.hasFocus()) this.client.seen();
  }

  /** @param {{on?: boolean, from?: import("./types.js").Speaker}} frame */
  #types({ on, from }) {
    for (const timer of this.#typingTimers) clearTimeout(timer);
    const text = on ? this.words("typing", { name: from?.name || this.words("agent") }) : "";
    this.typing.textContent = text;
    if (!on) return;
    this.#typingTimers = [
      setTimeout(() => this.#types({ on: false }), TYPING_FADES),
      setTimeout(() => this.isOpen && this.voice.say(text), TYPING_IS_SAID_AFTER),
    ];
  }

  #failures() {
    for (const wish of this.client.queue.waiting) {
      const word = wish.reason === "unsupported_media_type" ? "wrong_type" : "failed";
      if (wish.status === "failed" && !wish.told) this.#say(word);
      wish.told = wish.status === "failed";
    }
  }

  /** @param {string} word */
  #say(word) {
    if (this.isOpen) this.voice.say(this.words(word));
  }

  // ------------------------------------------------------------------------------------------------- the end

  #askEnd() {
    this.#confirming = true;
    /** @type {(then?: () => void) => () => void} */
    const leave = (then) => () => {
      this.#confirming = false;
      this.#bar();
      then?.();
      this.#around();
      this.#focus();
    };
    const end = leave(() => this.client.end());
    this.#bar([h("p", this.words("end_sure"))], ["end", end, "main"], ["cancel", leave()]);
    this.#focus();
  }

  #anew() {
    this.client.ended = false;
    this.#around();
    this.#focus();
  }

  async #save() {
    while ((await this.client.loadOlder()).length);
    const text = transcriptOf(this.client.lines, this.words, this.client.locale);
    // The mark at the start tells editors that it is UTF-8.
    const href = URL.createObjectURL(new Blob([`\ufeff${text}`], { type: "text/plain;charset=utf-8" }));
    h("a", { href, download: "chat.txt" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
    this.log.history();
  }
}
