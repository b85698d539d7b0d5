// A handset: one customer on one channel. It looks like its channel by its styles alone; what it does is the same for
// all.

import { announce, assign, busy, fill, h, keyed } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { bubble } from "./bubble.js";
import * as calls from "./calls.js";
import { DEEDS, MISCHIEF, ON_A_LINE, possible } from "./deeds.js";

const MOST_SHOWN = 200;
const TYPING_EVERY_MS = 4_000;

class Handset extends HTMLElement {
  /** @type {{id: string, kind: string, title: string, capabilities: string[]}} */
  channel;
  /** @type {string} */
  customer;
  /** @type {import("./main.js").Wall} */
  wall;

  lines = [];

  connectedCallback() {
    const { channel } = this;
    this.dataset.kind = channel.kind;
    const id = `phone-${channel.id}`;
    this.list = h("ol.screen-lines");
    this.screen = h(
      "div.screen",
      { tabindex: "0", role: "region", "aria-label": `${channel.title}: messages` },
      this.list,
    );
    this.text = h("input.say", {
      id: `${id}-text`,
      autocomplete: "off",
      dir: "auto",
      placeholder: "Message",
      input: () => this.#typing(),
    });
    this.picker = h("input", { type: "file", hidden: true, change: () => this.#file(this.picker.files[0]) });
    this.menu = h("div.deeds", { id: `${id}-deeds`, hidden: true });
    this.menuButton = h(
      "button.pad",
      {
        "aria-label": `${channel.title}: what else the customer can do`,
        "aria-expanded": "false",
        "aria-controls": `${id}-deeds`,
        click: () => this.#menu(),
      },
      icon("more"),
    );
    this.trouble = h("p.trouble", { role: "status" });
    this.name = h("span.business-customer");
    fill(
      this,
      h(
        "section.phone",
        { "aria-labelledby": `${id}-title` },
        h(
          "header.phone-head",
          h("span.avatar.business", { "aria-hidden": "true" }, "B"),
          h("div", h("h2", { id: `${id}-title` }, channel.title), this.name),
          this.menuButton,
        ),
        this.menu,
        this.screen,
        this.trouble,
        h(
          "form.phone-foot",
          { submit: (event) => this.#submit(event) },
          h("button.pad", { "aria-label": "Send a picture or file", click: () => this.picker.click() }, icon("attach")),
          h("label.unseen", { for: `${id}-text` }, `Message on ${channel.title}`),
          this.text,
          this.picker,
          h("button.pad.send", { type: "submit", "aria-label": "Send" }, icon("send")),
        ),
      ),
    );
    fill(
      this.menu,
      group("Customer", possible(DEEDS, channel), this.#press),
      group("Misbehaviour", possible(MISCHIEF, channel), this.#press),
    );
    this.be(this.customer);
  }

  /** Another customer holds the phone. */
  be(customer) {
    this.customer = customer;
    this.name.textContent = customer;
    this.lines = [];
    this.told = null;
    this.#render();
    return this.look();
  }

  /** Read what the phone shows; what was asked last counts. */
  async look() {
    const asked = Symbol("look");
    this.asked = asked;
    try {
      const lines = await calls.messages(this.channel.id, this.customer);
      if (asked !== this.asked) return;
      this.lines = lines;
      this.loaded = true;
      this.#render();
      this.wall.looked();
    } catch (error) {
      if (asked === this.asked) this.#say(error.message);
    }
  }

  #render() {
    const near = this.screen.scrollTop + this.screen.clientHeight >= this.screen.scrollHeight - 60;
    const lines = this.lines.slice(-MOST_SHOWN);
    const rows = lines.map((line, n) => {
      const before = lines[n - 1];
      const first = !before || before.kind === "notice" || before.from !== line.from || before.speaker !== line.speaker;
      return { line, first, sign: JSON.stringify([line, first]) };
    });
    keyed(this.list, rows, {
      key: ({ line }) => line.id,
      make: ({ line, first }) =>
        bubble(line, { kind: this.channel.kind, first }, (chosen, button) => this.#line(chosen, button)),
      same: (a, b) => a.sign === b.sign,
    });
    if (near) this.screen.scrollTop = this.screen.scrollHeight;
    const last = lines.at(-1);
    if (this.told !== null && last && last.id !== this.told && last.from === "them")
      announce(`${this.channel.title}: ${last.speaker ?? ""} ${last.text ?? "a file"}`);
    this.told = last?.id ?? "";
  }

  #submit(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    if (!text) return;
    this.text.value = "";
    this.#do(
      async () => calls.say(this.channel.id, this.customer, { text, times: this.twice ? 2 : undefined }),
      () => {
        this.text.value = text;
      },
    );
    this.twice = false;
    this.#marks();
  }

  #file(file) {
    if (file)
      this.#do(() =>
        calls.say(this.channel.id, this.customer, { text: this.text.value.trim(), file }).then(() => {
          this.text.value = "";
        }),
      );
    this.picker.value = "";
  }

  #typing() {
    if (!this.channel.capabilities.includes("typing") || Date.now() - (this.typed ?? 0) < TYPING_EVERY_MS) return;
    this.typed = Date.now();
    // Its loss is nothing.
    calls.act(this.channel.id, this.customer, { kind: "typing", on: true }).catch(() => {});
  }

  #menu() {
    this.menu.hidden = !this.menu.hidden;
    assign(this.menuButton, { "aria-expanded": String(!this.menu.hidden) });
  }

  #press = (deed, button) => {
    if (deed.kind === "twice") {
      this.twice = !this.twice;
      this.#marks();
      if (this.twice) this.#say("The next message’s webhook arrives twice.");
      return;
    }
    busy(button, () =>
      this.#do(() =>
        deed.kind === "stop"
          ? calls.say(this.channel.id, this.customer, { text: "STOP" })
          : calls.act(this.channel.id, this.customer, { kind: deed.kind, ...deed.give?.(this.channel) }),
      ),
    );
  };

  #marks() {
    this.menu.querySelector('[data-deed="twice"]')?.setAttribute("aria-pressed", String(Boolean(this.twice)));
  }

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

  #say(text) {
    if (this.trouble.textContent !== text) this.trouble.textContent = text;
  }

  #line(line, button) {
    const deeds = possible(ON_A_LINE, this.channel).filter(({ mine }) => !mine || line.from === "me");
    this.wall.choose({ handset: this, line, deeds, button });
  }

  /** Do something with one of the lines. */
  onLine(line, deed, text) {
    return this.#do(() =>
      calls.act(this.channel.id, this.customer, {
        kind: deed.kind,
        target: line.id,
        ...deed.give?.(),
        ...(text !== undefined && { text }),
      }),
    );
  }
}

function group(title, deeds, press) {
  if (!deeds.length) return null;
  return h(
    "div.deed-group",
    { role: "group", "aria-label": title },
    h("p.deed-title", title),
    deeds.map((deed) =>
      h(
        "button.button.small",
        {
          "data-deed": deed.kind,
          "aria-pressed": deed.kind === "twice" ? "false" : null,
          click: (event) => press(deed, event.currentTarget),
        },
        deed.words,
      ),
    ),
  );
}

customElements.define("byoc-handset", Handset);
