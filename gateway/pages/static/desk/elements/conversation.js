// A conversation: who is in it, who is asked, the log, the field, and beside it the side thread.

import { busy, fill, h, keyed, write } from "../../kit/dom.js";
import { countdown } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { linked, portray } from "../../kit/pieces.js";
import { recipientName } from "../state/names.js";
import { called, elsewhere, isIn, pending, reps } from "../state/sessions.js";
import { SESSION_STATES } from "../words.js";
import { AsidePanel } from "./aside-panel.js";
import { Composer } from "./composer.js";
import { openAudit } from "./dialogs.js";
import { LogView } from "./log-view.js";
import { Notices } from "./notices.js";
import { Part } from "./part.js";

// Letters of a note that may not fit: the keyboard can scroll it.
const SCROLLS = 200;

export class Conversation extends Part {
  /**
   * Numbers of notes that the rep has put away.
   * @type {Set<number>}
   */
  unpinned = new Set();
  /** @type {V1.Entry | null} */
  pinnedNote = null;
  factsSign = "";
  /**
   * What the rep wished of the side thread, and for which session.
   * @type {{session: string, open: boolean} | null}
   */
  asideWish = null;

  empty = h(
    "div.nothing-open",
    h("p", "Choose a conversation."),
    h("p.muted", "Work that is offered to you appears above the list."),
  );
  heading = h("h2.customer", { dir: "auto" });
  facts = h("p.facts");
  people = h("ul.people", { "aria-label": "Reps in this conversation" });
  face = h("span.avatar");
  flag = h("button.button.small.flag", { "aria-expanded": "false", click: () => this.#toggleAside() });
  pending = h("ul.pending", { "aria-label": "Pending invitations" });
  pinned = h("section.pinned", { hidden: true });

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {(session: string | null) => void} open
   */
  constructor(desk, open) {
    super(desk);
    this.log = new LogView(desk);
    this.aside = new AsidePanel(desk, () => this.#toggleAside(false));
    const back = { "aria-label": "Back to the list", click: () => open(null) };
    const audit = { hidden: !desk.me.supervisor, click: () => desk.current && openAudit(desk, desk.current) };
    this.talk = h(
      "div.talk",
      h(
        "header.talk-head",
        h("button.button.bare.round.back", back, icon("back")),
        this.face,
        h("div.talk-who", this.heading, this.facts, this.people),
        h("button.button.small", audit, icon("list", 16), "Audit"),
        this.flag,
      ),
      this.pending,
      this.pinned,
      new Notices(desk, false),
      this.log,
      new Composer(desk, () => this.log.scroller.toEnd()),
    );
    this.shell = h("div.conversation", { hidden: true });
    this.append(this.empty, this.shell);
  }

  connectedCallback() {
    this.follow(["selection", "log"], () => this.#render());
    this.every(500, () => this.#tick());
  }

  /** Open or close the side thread; opening leads the keyboard there. */
  #toggleAside(open = this.aside.hidden) {
    const { current } = this.desk;
    if (!current) return;
    this.asideWish = { session: current.id, open };
    this.#aside(current);
    if (open) this.aside.text.focus();
    else this.flag.focus();
  }

  #render() {
    const session = this.desk.current;
    this.empty.hidden = Boolean(session);
    this.shell.hidden = !session;
    if (!session) return;
    if (!this.shell.firstChild) fill(this.shell, this.talk, this.aside);
    const { end_user: customer } = session;
    const name = called(customer);
    write(this.heading, name);
    this.heading.title = customer.id;
    portray(this.face, name, customer.id);
    this.#facts(session);
    this.#pending(session);
    this.#pin(session);
    this.#aside(session);
  }

  /**
   * What the rep who asked this one in wrote to them: they read it while they catch up.
   * @param {V1.Session} session
   */
  #pin(session) {
    const { login } = this.desk.me;
    const note = isIn(session, login) ? this.desk.transcripts.of(session.id).noteTo(login) : null;
    const shown = note && !this.unpinned.has(note.number) ? note : null;
    if (this.pinnedNote === shown) return;
    this.pinnedNote = shown;
    this.pinned.hidden = !shown;
    if (!shown) return;
    const { number, from, text } = shown;
    const unpin = () => {
      this.unpinned.add(number);
      this.#pin(session);
      this.log.view.focus({ preventScroll: true });
    };
    this.pinned.setAttribute("aria-label", `Note from ${from?.name ?? "the inviter"}`);
    fill(
      this.pinned,
      icon("pinned", 16),
      h(
        "p.pinned-note",
        { tabindex: text && text.length > SCROLLS ? "0" : null },
        h("strong", { dir: "auto" }, `${from?.name ?? "The inviter"} to you: `),
        h("span", { dir: "auto" }, linked(text ?? "")),
      ),
      h("button.button.bare.round.small", { "aria-label": "Unpin the note", click: unpin }, icon("close", 16)),
    );
  }

  /** @param {V1.Session} session */
  #facts(session) {
    const inside = reps(session);
    const { status, queue, channel_id: channel } = session;
    const sign = JSON.stringify([status, inside, queue, channel]);
    if (sign === this.factsSign) return;
    this.factsSign = sign;
    fill(
      this.facts,
      h("span.tag", { title: channel }, session.channel_title),
      status !== "active" && h("span.tag.quiet", SESSION_STATES[status]),
      inside.length > 1 && h("span.tag.conference", "Conference"),
    );
    const { login } = this.desk.me;
    fill(
      this.people,
      inside.map(({ id, name, role }) =>
        h("li.person", name, id === login && " (you)", role === "bot" && h("span.tag", "Bot")),
      ),
    );
    this.people.hidden = !inside.length;
  }

  /** @param {V1.Session} session */
  #pending(session) {
    const open = pending(session);
    keyed(this.pending, open, {
      key: ({ id }) => id,
      make: (invitation) => this.#invitation(session.id, invitation),
      same: (a, b) => a.declined.length === b.declined.length && a.expires_at === b.expires_at,
    });
    this.pending.hidden = !open.length;
  }

  /** @type {(session: string, invitation: V1.Invitation) => HTMLElement} */
  #invitation(session, { id, purpose, recipient, from, from_name: inviter, asked, declined, expires_at: datetime }) {
    const { desk } = this;
    const mine = from === desk.me.login;
    const said = declined.length ? `, ${declined.length} declined` : "";
    const several = asked.length > 1 ? ` (${asked.length} asked${said})` : "";
    const verb = purpose === "transfer" ? "Asked to take over" : "Invited";
    const withdraw = () => desk.act(session, () => desk.api.withdrawInvitation(session, id));
    return h(
      "li.pending-invitation",
      icon("clock", 16),
      h("span", { dir: "auto" }, `${verb}: ${recipientName(recipient)}${several}${mine ? "" : `, by ${inviter}`}`),
      h("time", { datetime }, countdown(desk.api.until(datetime))),
      mine &&
        h(
          "button.button.small",
          { "data-focus": "withdraw", click: (event) => busy(event.currentTarget, withdraw) },
          "Withdraw",
        ),
    );
  }

  #tick() {
    for (const time of this.pending.querySelectorAll("time")) {
      write(time, countdown(this.desk.api.until(time.dateTime)));
    }
  }

  /**
   * Open by itself while a flag is up, unless the rep closed it; only by the button else.
   * @param {V1.Session} session
   */
  #aside(session) {
    const { desk, asideWish, flag, aside } = this;
    const raised = Boolean(session.flag);
    const used = raised || desk.transcripts.of(session.id).asides.length > 0;
    const wide = matchMedia("(min-width: 1180px)").matches;
    const open = asideWish?.session === session.id ? asideWish.open : wide && raised;
    const inside = isIn(session, desk.me.login);
    flag.hidden =
      !(inside || desk.me.supervisor) || !(used || (inside && session.status === "active" && !elsewhere(session)));
    aside.hidden = !open || flag.hidden;
    this.shell.classList.toggle("with-aside", !aside.hidden);
    flag.setAttribute("aria-expanded", String(!aside.hidden));
    flag.classList.toggle("raised", raised);
    const words = raised ? "Flag raised" : used ? "Internal thread" : "Raise flag";
    if (flag.textContent !== words) fill(flag, icon("flag", 16), words);
  }
}

customElements.define("byoc-conversation", Conversation);
