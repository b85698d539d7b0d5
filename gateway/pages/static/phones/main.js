// The phone wall: a handset per channel, to be the customer.

import { fill, h } from "../kit/dom.js";
import * as calls from "./calls.js";
import "./handset.js";
import { listen } from "./live.js";
import "./wire-panel.js";

const CAST = ["kim", "leo", "mia", "noor"];
const REPS = [
  ["ana", "Ana"],
  ["ben", "Ben"],
  ["cleo", "Cleo"],
  ["sam", "Sam (supervisor)"],
];

export class Wall extends HTMLElement {
  async connectedCallback() {
    const customer = new URL(location.href).searchParams.get("customer")?.trim() || CAST[0];
    this.handsets = [];
    this.wire = h("byoc-wire");
    this.who = h("input.field", {
      id: "customer",
      value: customer,
      list: "cast",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 64,
      change: () => this.#be(this.who.value.trim()),
    });
    this.phones = h("ul.phones");
    this.told = h("p.wall-state", { role: "status" }, "Loading …");
    this.steps = h(
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
          REPS.map(([login, name]) => desk(login, name)),
        ),
      ),
      h("main.wall", this.steps, this.told, this.phones),
      this.wire,
    );
    await this.#hang(customer);
  }

  disconnectedCallback() {
    this.end?.();
  }

  /** A line of a handset was chosen. */
  choose(choice) {
    this.wire.show(choice);
  }

  /** What the handsets show has changed: the first steps stand there until a rep has answered. */
  looked() {
    const loaded = this.handsets.every((handset) => handset.loaded);
    this.steps.hidden =
      !loaded ||
      this.handsets.some((handset) => handset.lines.some((line) => line.from === "them" && line.kind !== "notice"));
  }

  async #hang(customer) {
    try {
      const channels = await calls.channels();
      this.handsets = channels.map((channel) =>
        Object.assign(h("byoc-handset"), { channel: { capabilities: [], ...channel }, customer, wall: this }),
      );
      fill(
        this.phones,
        this.handsets.map((handset) => h("li", handset)),
      );
      this.told.textContent = "";
      this.end = listen((channel, who) => this.#changed(channel, who));
    } catch (error) {
      this.told.textContent = `${error.message} Trying again …`;
      setTimeout(() => this.isConnected && this.#hang(customer), 2000);
    }
  }

  #changed(channel, who) {
    for (const handset of this.handsets)
      if (
        (channel === null || handset.channel.id === channel) &&
        (who === null || who === undefined || handset.customer === who)
      )
        handset.look();
  }

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

const desk = (login, words) => h("a.button.small", { href: `/desk?as=${login}`, target: `desk-${login}` }, words);

customElements.define("byoc-wall", Wall);
