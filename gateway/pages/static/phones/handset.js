// A handset: one customer on one channel. It looks like its channel by its styles alone; what it does is the same for
// all.

import { announce, busy, fill, h, keyed, write } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { bubble } from "./bubble.js";
import * as calls from "./calls.js";
import { DEEDS, MISCHIEF, ON_A_LINE, possible } from "./deeds.js";
import { showWire } from "./wire.js";

/** @typedef {import("../../types.js").Deed} Deed */
/** @typedef {import("../../types.js").PhoneLine} PhoneLine */

const MOST_SHOWN = 200;
const TYPING_EVERY_MS = 4_000;

export class Handset extends HTMLElement {
  /** @type {PhoneLine[]} */
  lines = [];
  loaded = false;
  /**
   * The last line that was said to screen readers; null: nothing was shown yet.
   * @type {string | null}
   */
  told = null;
  // What was asked last counts.
  asked = 0;
  typed = 0;
  // The next message's webhook comes twice.
  twice = false;

  list = h("ol.screen-lines");
  trouble = h("p.trouble", { role: "status" });
  name = h("span.business-customer");
  /** @type {HTMLInputElement} */
  picker = h("input", { type: "file", hidden: true, change: () => this.#file(this.picker.files?.[0]) });

  /**
   * @param {import("../../types.js").Channel} channel
   * @param {string} customer
   * @param {() => void} onLook what the phone shows has been read
   */
  constructor(channel, customer, onLook) {
    super();
    const { title } = channel;
    this.channel = channel;
    this.customer = customer;
    this.onLook = onLook;
    this.dataset.kind = channel.kind;
    const id = `phone-${channel.id}`;
    this.screen = h("div.screen", { tabindex: "0", role: "region", "aria-label": `${title}: messages` }, this.list);
    this.text = h("input.say", {
      id: `${id}-text`,
      autocomplete: "off",
      dir: "auto",
      placeholder: "Message",
      input: () => this.#typing(),
    });
    this.menu = h(
      "div.deeds",
      { id: `${id}-deeds`, hidden: true },
      group("Customer", possible(DEEDS, channel), this.#press),
      group("Misbehaviour", possible(MISCHIEF, channel), this.#press),
    );
    this.menuButton = h(
      "button.pad",
      {
        "aria-label": `${title}: what else the customer can do`,
        "aria-expanded": "false",
        "aria-controls": `${id}-deeds`,
        click: () => this.#menu(),
      },
      icon("more"),
    );
    const attach = { "aria-label": "Send a picture or file", click: () => this.picker.click() };
    fill(
      this,
      h(
        "section.phone",
        { "aria-labelledby": `${id}-title` },
        h(
          "header.phone-head",
          h("span.avatar.business", { "aria-hidden": "true" }, "B"),
          h("div", h("h2", { id: `${id}-title` }, title), this.name),
          this.menuButton,
        ),
        this.menu,
        this.screen,
        this.trouble,
        h(
          "form.phone-foot",
          { submit: (event) => this.#submit(event) },
          h("button.pad", attach, icon("attach")),
          h("label.unseen", { for: `${id}-text` }, `Message on ${title}`),
          this.text,
          this.picker,
          h("button.pad.send", { type: "submit", "aria-label": "Send" }, icon("send")),
        ),
      ),
    );
  }

  connectedCallback() {
    this.be(this.customer);
  }

  /**
   * Another customer holds the phone.
   * @param {string} customer
   */
  be(customer) {
    this.customer = customer;
    this.name.textContent = customer;
    this.lines = [];
    this.told = null;
    this.#render();
    return this.look();
  }

  /** Read what the phone shows. */
  async look() {
    this.asked += 1;
    const { asked } = this;
    try {
      const lines = await calls.messages(this.channel.id, this.customer);
      if (asked !== this.asked) return;
      this.lines = lines;
      this.loaded = true;
      this.#render();
      this.onLook();
    } catch (error) {
      if (asked === this.asked) this.#say(error.message);
    }
  }

  #render() {
    const { scrollTop, clientHeight, scrollHeight } = this.screen;
    const near = scrollTop + clientHeight >= scrollHeight - 60;
    const lines = this.lines.slice(-MOST_SHOWN);
    const rows = lines.map((line, n) => {
      const before = lines[n - 1];
      const first = !before || before.kind === "notice" || before.from !== line.from || before.speaker !== line.speaker;
      return { line, first, sign: JSON.stringify([line, first]) };
    });
    const { kind, title } = this.channel;
    keyed(this.list, rows, {
      key: ({ line }) => line.id,
      make: ({ line, first }) => bubble(line, { kind, first }, (chosen, button) => this.#choose(chosen, button)),
      same: (a, b) => a.sign === b.sign,
    });
    if (near) this.screen.scrollTop = this.screen.scrollHeight;
    const last = lines.at(-1);
    if (this.told !== null && last && last.id !== this.told && last.from === "them") {
      announce(`${title}: ${last.speaker ?? ""} ${last.text ?? "a file"}`);
    }
    this.told = last?.id ?? "";
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    if (!text) return;
    const times = this.twice ? 2 : undefined;
    this.text.value = "";
    this.#sayTwice(false);
    this.#do(
      () => calls.say(this.channel.id, this.customer, { text, times }),
      () => {
        this.text.value = text;
      },
    );
  }

  /** @param {File} [file] */
  #file(file) {
    this.picker.value = "";
    if (!file) return;
    this.#do(async () => {
      await calls.say(this.channel.id, this.customer, { text: this.text.value.trim(), file });
      this.text.value = "";
    });
  }

  #typing() {
    if (!this.channel.capabilities.includes("typing") || Date.now() - this.typed < TYPING_EVERY_MS) return;
    this.typed = Date.now();
    // Its loss is nothing.
    calls.act(this.channel.id, this.customer, { kind: "typing", on: true }).catch(() => {});
  }

  #menu() {
    this.menu.hidden = !this.menu.hidden;
    this.menuButton.setAttribute("aria-expanded", String(!this.menu.hidden));
  }

  /** @type {(deed: Deed, button: HTMLElement) => void} */
  #press = ({ kind, give }, button) => {
    const { channel, customer } = this;
    if (kind === "twice") this.#sayTwice(!this.twice);
    else {
      const stop = () => calls.say(channel.id, customer, { text: "STOP" });
      const act = () => calls.act(channel.id, customer, { kind, ...give?.(channel) });
      busy(button, () => this.#do(kind === "stop" ? stop : act));
    }
    if (this.twice) this.#say("The next message’s webhook arrives twice.");
  };

  /** @param {boolean} on */
  #sayTwice(on) {
    this.twice = on;
    this.menu.querySelector('[data-deed="twice"]')?.setAttribute("aria-pressed", String(on));
  }

  /** @type {(work: () => Promise<unknown>, undo?: () => void) => Promise<void>} */
  async #do(work, undo) {
    this.#say("");
    try {
      await work();
      await this.look();
    } catch (error) {
      undo?.();
      this.#say(error.message);
    }
  }

  /** @param {string} text */
  #say(text) {
    write(this.trouble, text);
  }

  /** @type {(line: PhoneLine, button: HTMLElement) => void} */
  #choose(line, button) {
    const deeds = possible(ON_A_LINE, this.channel).filter(({ mine }) => !mine || line.from === "me");
    showWire({ handset: this, line, deeds, button });
  }

  /**
   * Do something with one of the lines.
   * @type {(line: PhoneLine, deed: Deed, text?: string) => Promise<void>}
   */
  onLine(line, { kind, give }, text) {
    const action = { kind, target: line.id, ...give?.(this.channel), ...(text !== undefined && { text }) };
    return this.#do(() => calls.act(this.channel.id, this.customer, action));
  }
}

/** @type {(title: string, deeds: Deed[], press: (deed: Deed, button: HTMLElement) => void) => HTMLElement | null} */
function group(title, deeds, press) {
  if (!deeds.length) return null;
  const buttons = deeds.map((deed) =>
    h(
      "button.button.small",
      {
        "data-deed": deed.kind,
        "aria-pressed": deed.kind === "twice" ? "false" : null,
        click: (event) => press(deed, event.currentTarget),
      },
      deed.words,
    ),
  );
  return h("div.deed-group", { role: "group", "aria-label": title }, h("p.deed-title", title), buttons);
}

customElements.define("byoc-handset", Handset);
