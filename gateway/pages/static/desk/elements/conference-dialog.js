// Whom to ask: an agent, a queue or a flow, with a search; each agent's capacity, each queue's available reps. There
// are no others.
//
// While it is open it stays true: it is read anew every few seconds, for who else goes online is told to nobody, and
// whenever the conversation changes. What can't be asked for any more is said, and can't be sent.

import { announce, busy, h, keyed } from "../../kit/dom.js";
import { icon } from "../../kit/icons.js";
import { Unreachable } from "../api.js";
import { saysSomething, UNSEEN } from "../wording.js";
import { TYPES } from "../words.js";

const WAIT_MS = 200;
const ANEW_MS = 3_000;
const PAGE = 50;
// That the API gives at once.
const MOST = 1_000;
const WORDS = {
  invite: { title: "Invite to the conversation", button: "Invite", done: (name) => `${name} was invited.` },
  transfer: {
    title: "Transfer the conversation",
    button: "Transfer",
    done: (name) => `${name} was asked to take over. You stay until they accept.`,
  },
};

/** Open the dialog for a session; `purpose` is "invite" or "transfer". */
export function askRecipient(desk, session, purpose) {
  const element = Object.assign(h("byoc-conference-dialog"), { desk, session, purpose });
  document.body.append(element);
}

class ConferenceDialog extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {string} */
  session;
  /** @type {"invite" | "transfer"} */
  purpose;

  type = "agent";
  chosen = null;
  chosenName = "";
  items = [];
  next = null;
  // What the server said no to.
  refused = "";

  connectedCallback() {
    const words = WORDS[this.purpose];
    this.search = h("input.field", {
      id: "destination-search",
      type: "search",
      placeholder: "Search",
      autocomplete: "off",
      input: () => this.#later(),
    });
    this.results = h("ul.destinations", { id: "destinations" });
    this.told = h("p.destinations-state.muted", { role: "status" });
    this.more = h("button.button.small", { hidden: true, click: () => this.#load(true) }, "More");
    this.note = h("input.field", { id: "destination-note", maxlength: 2000, autocomplete: "off", dir: "auto" });
    this.submit = h("button.button.primary", { type: "submit" }, words.button);
    this.problem = h("p.problem", { role: "alert" });
    this.dialog = h(
      "dialog.conference",
      { "aria-labelledby": "conference-title", close: () => this.remove() },
      h(
        "form",
        { submit: (event) => this.#submit(event) },
        h(
          "header",
          h("h2", { id: "conference-title" }, words.title),
          h("button.button.bare.round", { "aria-label": "Close", click: () => this.dialog.close() }, icon("close")),
        ),
        h(
          "fieldset.types",
          h("legend", "Recipient type"),
          Object.entries(TYPES).map(([type, name]) =>
            h(
              "label.type",
              h("input", {
                type: "radio",
                name: "recipient-type",
                value: type,
                checked: type === this.type,
                change: () => this.#turn(type),
              }),
              h("span", name),
            ),
          ),
        ),
        h("label.above", { for: "destination-search" }, "Search"),
        this.search,
        h("fieldset.choices", h("legend.unseen", "Recipient"), this.results, this.told, this.more),
        h("label.above", { for: "destination-note" }, "Note to them (the customer doesn’t see it)"),
        this.note,
        this.problem,
        h("div.dialog-buttons", h("button.button", { click: () => this.dialog.close() }, "Cancel"), this.submit),
      ),
    );
    this.append(this.dialog);
    this.dialog.showModal();
    this.unwatch = this.desk.watch(["sessions", "selection"], () => this.#changed());
    this.timer = setInterval(() => document.visibilityState === "visible" && this.#load(null), ANEW_MS);
    this.version = this.#session?.version;
    this.#load(false);
  }

  disconnectedCallback() {
    this.unwatch();
    clearInterval(this.timer);
    clearTimeout(this.waiting);
  }

  get #session() {
    return this.desk.sessions.get(this.session) ?? null;
  }

  // Why nobody can be asked for this now; empty: somebody can.
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

  #turn(type) {
    this.type = type;
    this.chosen = null;
    this.#load(false);
  }

  #later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#load(false), WAIT_MS);
  }

  // `further`: true for the next page, false for the first one of another question, null for what is shown, as it is
  // now.
  async #load(further) {
    if (further === null && (this.loading || this.#against)) return;
    const asked = Symbol("question");
    this.asked = asked;
    this.loading = true;
    if (further === false) this.told.textContent = "Looking …";
    const limit = further === null ? Math.min(MOST, Math.max(PAGE, this.items.length)) : PAGE;
    try {
      const page = await this.desk.destinations(this.session, {
        purpose: this.purpose,
        type: this.type,
        q: this.search.value.trim(),
        cursor: further ? this.next : null,
        limit,
      });
      // An answer to an older question.
      if (asked !== this.asked) return;
      this.items = further ? [...this.items, ...page.items] : page.items;
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
    const gone = this.chosen && !this.items.some(({ id, allowed }) => id === this.chosen && allowed);
    if (gone) {
      announce(`${this.chosenName} can no longer be chosen.`, { urgent: true });
      this.chosen = null;
    }
    const problem = this.#against || this.refused;
    if (this.problem.textContent !== problem) this.problem.textContent = problem;
    keyed(this.results, this.items, {
      key: ({ type, id }) => `${type} ${id}`,
      make: (item) => this.#row(item),
      same: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    });
    this.more.hidden = !this.next;
    const none = {
      agent: "No agent who can be asked is online.",
      queue: "No queue.",
      flow: "There is no flow that you may run.",
    }[this.type];
    this.told.textContent = this.items.length || this.problem.textContent ? "" : none;
    this.#allow();
  }

  #row(item) {
    const why = `why-not-${item.type}-${item.id}`;
    const choose = () => {
      this.chosen = item.id;
      this.chosenName = item.name;
      this.#allow();
    };
    const radio = h("input", {
      type: "radio",
      name: "recipient",
      value: item.id,
      checked: item.id === this.chosen,
      disabled: !item.allowed,
      "aria-describedby": item.allowed ? null : why,
      "data-focus": "radio",
      change: choose,
    });
    const name = h("span.destination-name", { dir: "auto" }, item.name, item.bot && h("span.tag", "Bot"));
    return h(
      "li",
      { class: item.allowed ? null : "not-now" },
      h("label.destination", radio, name, room(item)),
      !item.allowed && h("p.why-not", { id: why }, item.reason),
    );
  }

  #allow() {
    this.submit.disabled = !this.chosen || Boolean(this.#against);
  }

  #submit(event) {
    event.preventDefault();
    if (!this.chosen || this.#against) return;
    const note = this.note.value.trim();
    if (note && !saysSomething(note)) {
      this.problem.textContent = UNSEEN;
      return;
    }
    const recipient = { type: this.type, id: this.chosen };
    const name = this.chosenName;
    const { desk, session, purpose } = this;
    busy(this.submit, async () => {
      try {
        const answer = await desk.api[purpose](session, recipient, note);
        announce(WORDS[purpose].done(name));
        if (answer?.warning) desk.notice(session, answer.warning, "warn");
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

function room({ load, capacity, available }) {
  if (capacity != null) {
    const meter = h("meter", {
      min: 0,
      max: Math.max(1, capacity),
      high: Math.max(0.5, capacity - 0.5),
      optimum: 0,
      value: Math.min(load ?? 0, capacity),
      "aria-hidden": "true",
    });
    return h("span.room", meter, h("span", `${load ?? 0} of ${capacity} in use`));
  }
  return available != null ? h("span.room", `${available} available`) : null;
}

customElements.define("byoc-conference-dialog", ConferenceDialog);
