// Whom to ask: an agent, a queue or a flow, with a search; each agent's capacity, each queue's available reps. There are no others.

import { announce, busy, h, keyed } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { TYPES } from "../words.js";

const WAIT_MS = 200;
const WORDS = {
  invite: { title: "Invite to the conversation", button: "Invite", done: (name) => `${name} was invited.` },
  transfer: { title: "Transfer the conversation", button: "Transfer", done: (name) => `${name} was asked to take over. You stay until they accept.` },
};

/** Open the dialog for a session; `purpose` is "invite" or "transfer". */
export function askRecipient(desk, session, purpose) {
  const element = Object.assign(h("byoc-conference-dialog"), { desk, session, purpose });
  document.body.append(element);
}

class ConferenceDialog extends HTMLElement {
  type = "agent";
  chosen = null;
  items = [];
  next = null;

  connectedCallback() {
    const words = WORDS[this.purpose];
    this.search = h("input", { id: "destination-search", class: "field", type: "search", placeholder: "Search", autocomplete: "off", on: { input: () => this.#later() } });
    this.results = h("ul", { class: "destinations", id: "destinations" });
    this.told = h("p", { class: "destinations-state muted", role: "status" });
    this.more = h("button", { class: "button small", type: "button", hidden: true, on: { click: () => this.#load(true) } }, "More");
    this.note = h("input", { id: "destination-note", class: "field", maxlength: 2000, autocomplete: "off", dir: "auto" });
    this.submit = h("button", { class: "button primary", type: "submit" }, words.button);
    this.problem = h("p", { class: "problem", role: "alert" });
    this.dialog = h(
      "dialog",
      { class: "conference", "aria-labelledby": "conference-title", on: { close: () => this.remove() } },
      h(
        "form",
        { on: { submit: (event) => this.#submit(event) } },
        h("header", {}, h("h2", { id: "conference-title" }, words.title), h("button", { class: "button bare round", type: "button", "aria-label": "Close", on: { click: () => this.dialog.close() } }, icon("close"))),
        h("fieldset", { class: "types" }, h("legend", {}, "Recipient type"), Object.entries(TYPES).map(([type, name]) => h("label", { class: "type" }, h("input", { type: "radio", name: "recipient-type", value: type, checked: type === this.type, on: { change: () => this.#turn(type) } }), h("span", {}, name)))),
        h("label", { class: "above", htmlFor: "destination-search" }, "Search"),
        this.search,
        h("fieldset", { class: "choices" }, h("legend", { class: "unseen" }, "Recipient"), this.results, this.told, this.more),
        h("label", { class: "above", htmlFor: "destination-note" }, "Note to them (the customer doesn’t see it)"),
        this.note,
        this.problem,
        h("div", { class: "dialog-buttons" }, h("button", { class: "button", type: "button", on: { click: () => this.dialog.close() } }, "Cancel"), this.submit),
      ),
    );
    this.append(this.dialog);
    this.dialog.showModal();
    this.#load(false);
  }

  #turn(type) {
    this.type = type;
    this.chosen = null;
    this.#load(false);
  }

  #later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#load(false), WAIT_MS);
  }

  async #load(further) {
    const asked = (this.asked = Symbol("question"));
    if (!further) this.told.textContent = "Looking …";
    try {
      const page = await this.desk.destinations(this.session, { purpose: this.purpose, type: this.type, q: this.search.value.trim(), cursor: further ? this.next : null });
      if (asked !== this.asked) return; // an answer to an older question
      this.items = further ? [...this.items, ...page.items] : page.items;
      this.next = page.next;
      this.problem.textContent = "";
    } catch (error) {
      if (asked !== this.asked) return;
      this.items = [];
      this.next = null;
      this.problem.textContent = error.message;
    }
    this.#render();
  }

  #render() {
    if (!this.items.some(({ id }) => id === this.chosen)) this.chosen = null;
    keyed(this.results, this.items, { key: ({ type, id }) => `${type} ${id}`, make: (item) => this.#row(item), same: (a, b) => JSON.stringify(a) === JSON.stringify(b) });
    this.more.hidden = !this.next;
    const none = { agent: "No agent is online and may be asked.", queue: "No queue.", flow: "No flow that you may run." }[this.type];
    this.told.textContent = this.items.length || this.problem.textContent ? "" : none;
    this.#allow();
  }

  #row(item) {
    const radio = h("input", { type: "radio", name: "recipient", value: item.id, checked: item.id === this.chosen, on: { change: () => { this.chosen = item.id; this.#allow(); } } });
    return h("li", {}, h("label", { class: "destination" }, radio, h("span", { class: "destination-name", dir: "auto" }, item.name, item.bot && h("span", { class: "tag" }, "Bot")), room(item)));
  }

  #allow() {
    this.submit.disabled = !this.chosen;
  }

  #submit(event) {
    event.preventDefault();
    if (!this.chosen) return;
    const recipient = { type: this.type, id: this.chosen };
    const name = this.items.find(({ id }) => id === this.chosen).name;
    const { desk, session, purpose } = this;
    busy(this.submit, async () => {
      try {
        const answer = await desk.api[purpose](session, recipient, this.note.value.trim());
        announce(WORDS[purpose].done(name));
        if (answer?.warning) desk.notice(session, answer.warning, "warn");
        this.dialog.close();
      } catch (error) {
        this.problem.textContent = error.message;
        this.#load(false); // capacities may have changed
        this.problem.textContent = error.message;
      }
    });
  }
}

function room({ load, capacity, available }) {
  if (capacity != null) {
    const meter = h("meter", { min: 0, max: Math.max(1, capacity), high: Math.max(0.5, capacity - 0.5), optimum: 0, value: Math.min(load ?? 0, capacity), "aria-hidden": "true" });
    return h("span", { class: "room" }, meter, h("span", {}, `${load ?? 0} of ${capacity} in use`));
  }
  return available != null ? h("span", { class: "room" }, `${available} available`) : null;
}

customElements.define("byoc-conference-dialog", ConferenceDialog);
