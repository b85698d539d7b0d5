// The phone wall: a handset per channel, to be the customer.

import { fill, h } from "../kit/dom.js";
import * as calls from "./calls.js";
import { Handset } from "./handset.js";
import { listen } from "./live.js";

const CAST = ["kim", "leo", "mia", "noor"];
const REPS = { ana: "Ana", ben: "Ben", cleo: "Cleo", sam: "Sam (supervisor)" };
const AGAIN_MS = 2_000;

/** @type {(login: string, words: string) => HTMLElement} */
const desk = (login, words) => h("a.button.small", { href: `/desk?as=${login}`, target: `desk-${login}` }, words);

class Wall extends HTMLElement {
  /** @type {Handset[]} */
  handsets = [];
  end = () => {};

  phones = h("ul.phones");
  told = h("p.wall-state", { role: "status" }, "Loading …");
  steps = h(
    "section.first-steps",
    { "aria-labelledby": "first-steps", hidden: true },
    h("h2", { id: "first-steps" }, "Begin here"),
    h(
      "ol",
      h("li", "Be the customer: write a message on one of these phones, for example on WhatsApp."),
      h(
        "li",
        desk("ana", "Open Ana’s desk"),
        " The conversation is offered to her. Accept it and answer: the answer arrives on the phone.",
      ),
      h(
        "li",
        desk("ben", "Open Ben’s desk"),
        " On Ana’s desk press ",
        h("strong", "Conference"),
        " at the lower left and invite Ben; on Ben’s, press ",
        h("strong", "Join"),
        ". The phone tells the customer who joined.",
      ),
    ),
  );
  /** @type {HTMLInputElement} */
  who = h("input.field", {
    id: "customer",
    value: new URL(location.href).searchParams.get("customer")?.trim() || CAST[0],
    list: "cast",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 64,
    change: () => this.#be(this.who.value.trim()),
  });

  connectedCallback() {
    fill(
      this,
      h(
        "header.wall-head",
        h("h1", "Phone wall"),
        h("p.muted", "Be the customer on every channel."),
        h("label.customer", { for: "customer" }, "Customer ", this.who),
        h(
          "datalist",
          { id: "cast" },
          CAST.map((name) => h("option", { value: name })),
        ),
        h(
          "nav.desks",
          { "aria-label": "Desks" },
          h("span", "Open a desk:"),
          Object.entries(REPS).map(([login, name]) => desk(login, name)),
        ),
      ),
      h("main.wall", this.steps, this.told, this.phones),
    );
    this.#hang();
  }

  disconnectedCallback() {
    this.end();
  }

  async #hang() {
    try {
      const channels = await calls.channels();
      this.handsets = channels.map((channel) => new Handset(channel, this.who.value, () => this.#looked()));
      fill(
        this.phones,
        this.handsets.map((handset) => h("li", handset)),
      );
      this.told.textContent = "";
      this.end = listen((channel, customer) => this.#changed(channel, customer));
    } catch (error) {
      this.told.textContent = `${error.message} Trying again …`;
      setTimeout(() => this.isConnected && this.#hang(), AGAIN_MS);
    }
  }

  /** What the handsets show has changed: the first steps stand there until a rep has answered. */
  #looked() {
    const answered = this.handsets.some(({ lines }) =>
      lines.some(({ from, kind }) => from === "them" && kind !== "notice"),
    );
    this.steps.hidden = answered || !this.handsets.every(({ loaded }) => loaded);
  }

  /** @type {(channel: string | null, customer: string | null) => void} */
  #changed(channel, customer) {
    for (const handset of this.handsets) {
      const concerned = handset.channel.id === (channel ?? handset.channel.id);
      if (concerned && handset.customer === (customer ?? handset.customer)) handset.look();
    }
  }

  /** @param {string} customer */
  #be(customer) {
    if (!customer) {
      this.who.value = this.handsets[0]?.customer ?? CAST[0];
      return;
    }
    const address = new URL(location.href);
    address.searchParams.set("customer", customer);
    history.replaceState(null, "", address);
    for (const handset of this.handsets) handset.be(customer);
  }
}

customElements.define("byoc-wall", Wall);
