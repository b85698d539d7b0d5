// The list of conversations by group, with search. Only the rows in view are in the document.

import { announce, busy, fill, h, keyed } from "../../kit/dom.js";
import { short } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { portray, time } from "../../kit/pieces.js";
import { called, GROUPS, isIn, reps } from "../state/sessions.js";
import { GROUP_TITLES, SESSION_STATES } from "../words.js";
import { Part } from "./part.js";

/**
 * What a row shows; drawn anew when its sign is another.
 * @typedef {{
 *   session: V1.Session, place: number, count: number, selected: boolean, unread: number, typing: boolean,
 *   preview: string | null, at: string, sign: string,
 * }} Row
 */

// In px, as in desk.css.
const ROW = 68;
const OVERSCAN = 6;
const SEARCH_WAIT_MS = 200;
const PRESENT = {
  online: "online",
  offline: "offline",
  away: "away",
  busy: "busy",
  online_voice: "online for voice only",
};

export class SessionList extends Part {
  waiting = 0;
  /**
   * What the empty list says.
   * @type {string | null}
   */
  emptyState = null;

  search = h("input.field", {
    id: "search",
    type: "search",
    placeholder: "Search",
    autocomplete: "off",
    input: () => this.#search(),
  });
  sections = [...GROUPS, "found"].map(section);
  empty = h("div.empty");
  scroller = h(
    "div.groups",
    { scroll: () => this.#draw(), keydown: (event) => this.#key(event) },
    this.sections.map(({ element }) => element),
    this.empty,
  );

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {(session: string | null) => void} open
   */
  constructor(desk, open) {
    super(desk);
    this.open = open;
    const label = h("label.unseen", { for: "search" }, "Search conversations");
    this.append(h("div.search", { role: "search" }, label, icon("search", 18), this.search), this.scroller);
    this.resizes = new ResizeObserver(() => this.#draw());
  }

  connectedCallback() {
    this.follow(["sessions", "selection", "log", "me"], () => this.#render());
    this.resizes.observe(this.scroller);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.resizes.disconnect();
  }

  #search() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.desk.search(this.search.value), SEARCH_WAIT_MS);
  }

  #render() {
    const { found, groups, sessions } = this.desk;
    /** @type {{[group: string]: V1.Session[]}} */
    const shown = found ? { found: found.flatMap((id) => sessions.get(id) ?? []) } : groups;
    for (const part of this.sections) {
      part.items = shown[part.group] ?? [];
      part.element.hidden = !part.items.length;
      part.count.textContent = String(part.items.length);
      part.list.style.blockSize = `${part.items.length * ROW}px`;
    }
    this.empty.hidden = this.sections.some(({ items }) => items.length);
    if (!this.empty.hidden) this.#nothing();
    this.#draw();
  }

  /** What an empty list means, and what to do about it. */
  #nothing() {
    const { found, loaded, presence, demo } = this.desk;
    const { status } = presence;
    const state = found ? "Nothing found." : loaded ? status : "Loading …";
    if (this.emptyState === state) return;
    const focused = this.empty.contains(document.activeElement);
    this.emptyState = state;
    if (state !== status) fill(this.empty, h("p.muted", state));
    else if (status === "online") {
      fill(
        this.empty,
        h("p", "You are online."),
        h("p.muted", "New conversations are offered to you here."),
        demo && h("p", h("a", { href: "/phones", target: "phones" }, "Be a customer on the phone wall")),
      );
    } else {
      const go = { click: (/** @type {any} */ event) => busy(event.currentTarget, () => this.#online()) };
      fill(
        this.empty,
        h("p", `You are ${PRESENT[status]}.`),
        h("p.muted", "Go online, and new conversations are offered to you here."),
        h("button.button.primary", go, "Go online"),
      );
    }
    // The button that was pressed is gone.
    if (focused) this.search.focus();
  }

  async #online() {
    if (await this.desk.setPresence("online")) announce("You are online. New conversations are offered to you here.");
  }

  /** Which rows of each group are in view, by arithmetic: all rows are of one height. */
  #draw() {
    const { scrollTop: top, clientHeight: height } = this.scroller;
    for (const { element, list, items } of this.sections) {
      const start = element.hidden ? 0 : this.#startOf(list);
      const first = Math.max(0, Math.floor((top - start) / ROW) - OVERSCAN);
      const last = Math.min(items.length, Math.ceil((top + height - start) / ROW) + OVERSCAN);
      const inView = items.slice(first, Math.max(first, last));
      const rows = inView.map((session, n) => this.#row(session, first + n, items.length));
      const shown = keyed(list, rows, {
        key: ({ session }) => session.id,
        make: (row) => draw(row, this.open),
        same: (a, b) => a.sign === b.sign,
      });
      for (const { item, element: line } of shown.values()) {
        line.style.insetBlockStart = `${item.place * ROW}px`;
        line.setAttribute("aria-posinset", String(item.place + 1));
        line.setAttribute("aria-setsize", String(item.count));
        this.desk.transcripts.warm(item.session.id);
      }
    }
  }

  /**
   * Where a list begins within what is scrolled.
   * @param {Element} list
   */
  #startOf(list) {
    const { top } = this.scroller.getBoundingClientRect();
    return list.getBoundingClientRect().top - top + this.scroller.scrollTop;
  }

  /**
   * @param {V1.Session} session
   * @param {number} place
   * @param {number} count
   * @returns {Row}
   */
  #row(session, place, count) {
    const { desk } = this;
    const { id, end_user: customer, status, flag } = session;
    const latest = desk.transcripts.of(id).latestMessage;
    const row = {
      session,
      place,
      count,
      selected: desk.selected === id,
      // Others' conversations are for others to read.
      unread: isIn(session, desk.me.login) ? desk.unread(id) : 0,
      typing: desk.typing.in(id).some(({ role }) => role === "end_user"),
      preview: latest && previewOf(latest, desk.me.login),
      at: latest?.at ?? session.last_message_at ?? session.opened_at,
    };
    const { selected, unread, typing, preview, at } = row;
    const names = reps(session).map(({ name }) => name);
    const shown = [selected, unread, typing, preview, short(at), customer.name, status, names, Boolean(flag)];
    return { ...row, sign: JSON.stringify(shown) };
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    /** @type {{[key: string]: number}} */
    const steps = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    const here = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest(".session-row"));
    if (!step || !here) return;
    event.preventDefault();
    const all = this.sections.flatMap(({ list, items }) => items.map(({ id }, place) => ({ id, place, list })));
    const now = all.findIndex(({ id }) => id === here.dataset.session);
    const next = all[Math.max(0, Math.min(all.length - 1, now + step))];
    const start = this.#startOf(next.list) + next.place * ROW;
    const { scrollTop, clientHeight } = this.scroller;
    if (start < scrollTop) this.scroller.scrollTop = start - 40;
    else if (start + ROW > scrollTop + clientHeight) this.scroller.scrollTop = start + ROW - clientHeight;
    this.#draw();
    this.querySelector(`[data-session="${CSS.escape(next.id)}"]`)?.focus();
  }
}

/** @type {(latest: V1.Entry, login: string) => string} */
function previewOf({ from, text, deleted }, login) {
  const speaker = from?.id === login ? "You" : (from?.name ?? "");
  const words = deleted ? "(taken back)" : (text ?? "(file)");
  return from?.role === "end_user" ? words : `${speaker}: ${words}`;
}

/** @param {string} group */
function section(group) {
  const id = `group-${group}`;
  const count = h("span.count");
  const list = h("ul.sessions");
  const title = h("h2", { id }, `${GROUP_TITLES[group]} `, count);
  const element = h(`section.group.${group}`, { "aria-labelledby": id }, title, list);
  /** @type {V1.Session[]} */
  const items = [];
  return { group, count, list, element, items };
}

/** @type {(row: Row, open: (session: string) => void) => HTMLElement} */
function draw({ session, selected, unread, typing, preview, at }, open) {
  const { id, end_user: customer, status, flag } = session;
  const name = called(customer);
  const given = {
    "aria-current": selected ? "true" : null,
    "data-session": id,
    "data-focus": "row",
    click: () => open(id),
  };
  const others = () =>
    reps(session)
      .map((rep) => rep.name)
      .join(", ");
  const when = time(at, short(at));
  when.className = "row-time";
  return h(
    "li",
    h(
      "button.session-row",
      given,
      portray(h("span.avatar"), name, customer.id),
      h(
        "span.row-name",
        { dir: "auto" },
        name,
        flag && h("span.row-flag", icon("flag", 14), h("span.unseen", "flagged")),
      ),
      when,
      h("span.row-text", { dir: "auto" }, typing ? h("em", "is typing …") : (preview ?? others())),
      h(
        "span.row-end",
        h("span.tag.channel", session.channel_title),
        status !== "active" && h("span.tag.quiet", SESSION_STATES[status]),
        unread > 0 && h("span.unread", String(unread), h("span.unseen", " unread")),
      ),
    ),
  );
}

customElements.define("byoc-session-list", SessionList);
