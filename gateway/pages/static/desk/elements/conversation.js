// A conversation: who is in it, who is asked, the log, the field, and beside it the side thread.

import { busy, fill, h, keyed } from "../../kit/dom.js";
import { countdown, hue, initials } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { linked } from "../../kit/text.js";
import { called, isIn, reps } from "../reading.js";
import { SESSION_STATES } from "../words.js";
import { hasAside } from "./aside-panel.js";
import { openAudit } from "./audit-dialog.js";
import "./composer.js";
import "./log-view.js";
import "./notices.js";

// Letters of a note that may not fit: the keyboard can scroll it.
const SCROLLS = 200;

export class Conversation extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("./desk-view.js").DeskView} */
  view;

  // Numbers of notes that the rep has put away.
  unpinned = new Set();

  connectedCallback() {
    const { desk } = this;
    this.empty = h(
      "div.nothing-open",
      h("p", "Choose a conversation."),
      h("p.muted", "Work that is offered to you appears above the list."),
    );
    this.heading = h("h2.customer", { dir: "auto" });
    this.facts = h("p.facts");
    this.back = h(
      "button.button.bare.round.back",
      { "aria-label": "Back to the list", click: () => this.view.open(null) },
      icon("back"),
    );
    this.face = h("span.avatar", { "aria-hidden": "true" });
    this.audit = h(
      "button.button.small",
      { hidden: !desk.me.supervisor, click: () => openAudit(desk, desk.current) },
      icon("list", 16),
      "Audit",
    );
    this.flag = h("button.button.small.flag", { "aria-expanded": "false", click: () => this.toggleAside() });
    this.pending = h("ul.pending", { "aria-label": "Pending invitations" });
    this.pinned = h("section.pinned", { hidden: true });
    this.notices = Object.assign(h("byoc-notices"), { desk });
    this.log = Object.assign(h("byoc-log"), { desk });
    this.aside = Object.assign(h("byoc-aside"), { desk, conversation: this });
    this.composer = Object.assign(h("byoc-composer"), { desk, log: this.log });
    this.shell = h("div.conversation", { hidden: true });
    fill(this, this.empty, this.shell);
    this.unwatch = desk.watch(["selection", "log"], () => this.#render());
    this.timer = setInterval(() => this.#tick(), 500);
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
    clearInterval(this.timer);
  }

  /** Open or close the side thread; opening leads the keyboard there. */
  toggleAside(open = this.aside.hidden) {
    this.asideChosen = { session: this.desk.selected, open };
    this.#aside(this.desk.current);
    if (open) this.aside.focusField();
    else this.flag.focus();
  }

  #render() {
    const { desk } = this;
    const session = desk.current;
    this.empty.hidden = Boolean(session);
    this.shell.hidden = !session;
    if (!session) return;
    if (!this.shell.firstChild) {
      fill(
        this.shell,
        h(
          "div.talk",
          h(
            "header.talk-head",
            this.back,
            this.face,
            h("div.talk-who", this.heading, this.facts),
            this.audit,
            this.flag,
          ),
          this.pending,
          this.pinned,
          this.notices,
          this.log,
          this.composer,
        ),
        this.aside,
      );
    }
    const name = called(session.end_user);
    if (this.heading.textContent !== name) this.heading.textContent = name;
    this.heading.title = session.end_user.id;
    this.face.textContent = initials(name);
    this.face.style.setProperty("--hue", hue(session.end_user.id));
    this.#facts(session);
    this.#pending(session);
    this.#pin(session);
    this.#aside(session);
  }

  // What the rep who asked this one in wrote to them: they read it while they catch up.
  #pin(session) {
    const note = this.desk.noteTo(session);
    const shown = note && !this.unpinned.has(note.number) ? note : null;
    if (this.pinnedNote === shown) return;
    this.pinnedNote = shown;
    this.pinned.hidden = !shown;
    if (!shown) return;
    this.pinned.setAttribute("aria-label", `Note from ${shown.from?.name ?? "the inviter"}`);
    const unpin = () => {
      this.unpinned.add(shown.number);
      this.#pin(this.desk.current);
      document.querySelector(".log")?.focus({ preventScroll: true });
    };
    fill(
      this.pinned,
      icon("pinned", 16),
      h(
        "p.pinned-note",
        { tabindex: shown.text.length > SCROLLS ? "0" : null },
        h("strong", { dir: "auto" }, `${shown.from?.name ?? "The inviter"} to you: `),
        h("span", { dir: "auto" }, linked(shown.text)),
      ),
      h("button.button.bare.round.small", { "aria-label": "Unpin the note", click: unpin }, icon("close", 16)),
    );
  }

  #facts(session) {
    const inside = reps(session);
    const sign = JSON.stringify([session.status, inside, session.queue, session.channel_id]);
    if (sign === this.factsSign) return;
    this.factsSign = sign;
    const people = inside.map((p) =>
      h(
        "li.person",
        p.id === this.desk.me.login ? `${p.name} (you)` : p.name,
        p.role === "bot" && h("span.tag", "Bot"),
      ),
    );
    fill(
      this.facts,
      h("span.tag", { title: session.channel_id }, session.channel_title),
      session.status !== "active" && h("span.tag.quiet", SESSION_STATES[session.status]),
      inside.length > 1 && h("span.tag.conference", "Conference"),
    );
    this.people?.remove();
    this.people = h("ul.people", { "aria-label": "Reps in this conversation" }, people);
    if (people.length) this.facts.after(this.people);
  }

  #pending(session) {
    const { desk } = this;
    const open = desk.pendingOf(session);
    keyed(this.pending, open, {
      key: ({ id }) => id,
      make: (invitation) => this.#invitation(session, invitation),
      same: (a, b) => a.declined.length === b.declined.length && a.expires_at === b.expires_at,
    });
    this.pending.hidden = !open.length;
  }

  #invitation(session, invitation) {
    const { desk } = this;
    const { asked, declined } = invitation;
    const mine = invitation.from === desk.me.login;
    const name = desk.recipientName(invitation.recipient);
    const verb = invitation.purpose === "transfer" ? "Asked to take over" : "Invited";
    const more =
      asked.length > 1 ? ` (${asked.length} asked${declined.length ? `, ${declined.length} declined` : ""})` : "";
    return h(
      "li.pending-invitation",
      icon("clock", 16),
      h("span", { dir: "auto" }, `${verb}: ${name}${more}${mine ? "" : `, by ${invitation.from_name}`}`),
      h(
        "time",
        { datetime: invitation.expires_at },
        countdown(Date.parse(invitation.expires_at) - this.desk.api.now()),
      ),
      mine &&
        h(
          "button.button.small",
          {
            "data-focus": "withdraw",
            click: (event) =>
              busy(event.currentTarget, () =>
                desk.act(session.id, () => desk.api.withdrawInvitation(session.id, invitation.id)),
              ),
          },
          "Withdraw",
        ),
    );
  }

  #tick() {
    for (const time of this.pending.querySelectorAll("time")) {
      const words = countdown(Date.parse(time.dateTime) - this.desk.api.now());
      if (time.textContent !== words) time.textContent = words;
    }
  }

  // Open by itself while a flag is up, unless the rep closed it; only by the button else.
  #aside(session) {
    const { desk } = this;
    const transcript = desk.transcript(session.id);
    const wide = matchMedia("(min-width: 1180px)").matches;
    const chosen = this.asideChosen?.session === session.id ? this.asideChosen.open : wide && Boolean(session.flag);
    const may = isIn(session, desk.me.login) || desk.me.supervisor;
    const useful = hasAside(session, transcript) || (isIn(session, desk.me.login) && session.status === "active");
    this.flag.hidden = !may || !useful;
    this.aside.hidden = !chosen || this.flag.hidden;
    this.shell.classList.toggle("with-aside", !this.aside.hidden);
    this.flag.setAttribute("aria-expanded", String(!this.aside.hidden));
    this.flag.classList.toggle("raised", Boolean(session.flag));
    const words = session.flag ? "Flag raised" : hasAside(session, transcript) ? "Internal thread" : "Raise flag";
    if (this.flag.textContent !== words) fill(this.flag, icon("flag", 16), words);
  }
}

customElements.define("byoc-conversation", Conversation);
