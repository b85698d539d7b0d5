// Whom to ask: an agent, a queue or a flow, with a search; each agent's capacity, each queue's available reps. There
// are no others.
//
// While it is open it stays true: it is read anew every few seconds, for who else goes online is told to nobody, and
// whenever the conversation changes. What can't be asked for any more is said, and can't be sent.

import { announce, busy, h, keyed, write } from "../../kit/dom.js";
import { Unreachable } from "../api.js";
import { TYPES } from "../state/names.js";
import { saysSomething, UNSEEN } from "../words.js";
import { dialogHead } from "./dialogs.js";
import { Part } from "./part.js";

const WAIT_MS = 200;
const ANEW_MS = 3_000;
const PAGE = 50;
// That the API gives at once.
const MOST = 1_000;
const WORDS = {
  invite: { title: "Invite to the conversation", button: "Invite", done: "was invited." },
  transfer: {
    title: "Transfer the conversation",
    button: "Transfer",
    done: "was asked to take over. You stay until they accept.",
  },
};
/** @type {{[type: string]: string}} */
const NONE = {
  agent: "No agent who can be asked is online.",
  queue: "No queue.",
  flow: "There is no flow that you may run.",
};

/**
 * Open the dialog for a session.
 * @type {(desk: import("../state/desk.js").Desk, session: string, purpose: V1.Purpose) => void}
 */
export const askRecipient = (desk, session, purpose) =>
  document.body.append(new ConferenceDialog(desk, session, purpose));

class ConferenceDialog extends Part {
  type = "agent";
  /** @type {V1.Destination | null} */
  chosen = null;
  /** @type {V1.Destination[]} */
  items = [];
  /** @type {string | null} */
  next = null;
  // What the server said no to.
  refused = "";
  // The latest question: an answer to an older one is of no use.
  asked = 0;
  loading = false;
  waiting = 0;

  search = h("input.field", {
    id: "destination-search",
    type: "search",
    placeholder: "Search",
    autocomplete: "off",
    input: () => this.#later(),
  });
  results = h("ul.destinations", { id: "destinations" });
  told = h("p.destinations-state.muted", { role: "status" });
  more = h("button.button.small", { hidden: true, click: () => this.#load(true) }, "More");
  note = h("input.field", { id: "destination-note", maxlength: 2000, autocomplete: "off", dir: "auto" });
  submit = h("button.button.primary", { type: "submit" });
  problem = h("p.problem", { role: "alert" });

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {string} session
   * @param {V1.Purpose} purpose
   */
  constructor(desk, session, purpose) {
    super(desk);
    this.session = session;
    this.purpose = purpose;
    this.version = this.#session?.version;
    const words = WORDS[purpose];
    this.submit.append(words.button);
    const close = () => this.dialog.close();
    /** @type {HTMLDialogElement} */
    this.dialog = h(
      "dialog.conference",
      { "aria-labelledby": "conference-title", close: () => this.remove() },
      h(
        "form",
        { submit: (event) => this.#submit(event) },
        dialogHead("conference-title", words.title, close),
        h(
          "fieldset.types",
          h("legend", "Recipient type"),
          Object.entries(TYPES).map(([type, name]) => this.#type(type, name)),
        ),
        h("label.above", { for: "destination-search" }, "Search"),
        this.search,
        h("fieldset.choices", h("legend.unseen", "Recipient"), this.results, this.told, this.more),
        h("label.above", { for: "destination-note" }, "Note to them (the customer doesn’t see it)"),
        this.note,
        this.problem,
        h("div.dialog-buttons", h("button.button", { click: close }, "Cancel"), this.submit),
      ),
    );
    this.append(this.dialog);
  }

  connectedCallback() {
    this.dialog.showModal();
    this.#load(false);
    this.follow(["sessions", "selection"], () => this.#changed());
    this.every(ANEW_MS, () => document.visibilityState === "visible" && this.#load(null));
  }

  get #session() {
    return this.desk.sessions.get(this.session);
  }

  /** Why nobody can be asked for this now; empty: somebody can. */
  get #against() {
    const session = this.#session;
    if (!session) return "You are no longer in this conversation.";
    if (session.status === "ended") return "This conversation has ended.";
    return session.can[this.purpose].reason ?? "";
  }

  #changed() {
    const version = this.#session?.version;
    if (version === this.version) return;
    this.version = version;
    if (this.#against) this.#render();
    else this.#load(null);
  }

  /** @type {(type: string, name: string) => HTMLElement} */
  #type(type, name) {
    const change = () => {
      this.type = type;
      this.chosen = null;
      this.#load(false);
    };
    const checked = type === this.type;
    return h(
      "label.type",
      h("input", { type: "radio", name: "recipient-type", value: type, checked, change }),
      h("span", name),
    );
  }

  #later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.isConnected && this.#load(false), WAIT_MS);
  }

  /**
   * @param {boolean | null} further true: the next page; false: the first one of another question; null: what is shown,
   *   as it is now
   */
  async #load(further) {
    if (further === null && (this.loading || this.#against)) return;
    this.asked += 1;
    const { asked, purpose, type, items, next } = this;
    this.loading = true;
    if (further === false) write(this.told, "Looking …");
    const limit = further === null ? Math.min(MOST, Math.max(PAGE, items.length)) : PAGE;
    const query = { purpose, type, q: this.search.value.trim(), cursor: further ? next : null, limit };
    try {
      const page = await this.desk.destinations(this.session, query);
      if (asked !== this.asked) return;
      this.items = further ? [...items, ...page.items] : page.items;
      this.next = page.next;
      if (further !== null) this.refused = "";
    } catch (error) {
      if (asked !== this.asked) return;
      // What is shown may be old: the bar on top says so.
      if (further === null && error instanceof Unreachable) return;
      this.items = [];
      this.next = null;
      this.refused = error.message;
    } finally {
      if (asked === this.asked) this.loading = false;
    }
    this.#render();
  }

  #render() {
    const { chosen, items } = this;
    if (chosen && !items.some(({ id, allowed }) => id === chosen.id && allowed)) {
      announce(`${chosen.name} can no longer be chosen.`, { urgent: true });
      this.chosen = null;
    }
    const problem = this.#against || this.refused;
    write(this.problem, problem);
    keyed(this.results, items, {
      key: ({ type, id }) => `${type} ${id}`,
      make: (item) => this.#row(item),
      same: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    });
    this.more.hidden = !this.next;
    write(this.told, items.length || problem ? "" : NONE[this.type]);
    this.#allow();
  }

  /** @param {V1.Destination} item */
  #row(item) {
    const why = `why-not-${item.type}-${item.id}`;
    const radio = h("input", {
      type: "radio",
      name: "recipient",
      value: item.id,
      checked: item.id === this.chosen?.id,
      disabled: !item.allowed,
      "aria-describedby": item.allowed ? null : why,
      "data-focus": "radio",
      change: () => {
        this.chosen = item;
        this.#allow();
      },
    });
    const name = h("span.destination-name", { dir: "auto" }, item.name, item.bot && h("span.tag", "Bot"));
    return h(
      item.allowed ? "li" : "li.not-now",
      h("label.destination", radio, name, room(item)),
      !item.allowed && h("p.why-not", { id: why }, item.reason),
    );
  }

  #allow() {
    this.submit.disabled = !this.chosen || Boolean(this.#against);
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const { chosen, desk, session, purpose } = this;
    if (!chosen || this.#against) return;
    const note = this.note.value.trim();
    if (note && !saysSomething(note)) {
      this.problem.textContent = UNSEEN;
      return;
    }
    busy(this.submit, async () => {
      try {
        const answer = await desk.api[purpose](session, { type: this.type, id: chosen.id }, note);
        announce(`${chosen.name} ${WORDS[purpose].done}`);
        if (answer.warning) desk.notices.add(session, answer.warning, "warn");
        this.dialog.close();
      } catch (error) {
        this.refused = error.message;
        this.#render();
        // Capacities may have changed.
        this.#load(null);
      }
    });
  }
}

/** @param {V1.Destination} destination */
function room({ load, capacity, available }) {
  if (capacity !== null) {
    const used = load ?? 0;
    const max = Math.max(1, capacity);
    const high = Math.max(0.5, capacity - 0.5);
    const meter = h("meter", { min: 0, max, high, optimum: 0, value: Math.min(used, capacity), "aria-hidden": "true" });
    return h("span.room", meter, h("span", `${used} of ${capacity} in use`));
  }
  return available !== null && h("span.room", `${available} available`);
}

customElements.define("byoc-conference-dialog", ConferenceDialog);
