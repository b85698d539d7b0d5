// The list of conversations by group, with search. Only the rows in view are in the document.

import { announce, busy, fill, h, keyed } from "../../kit/dom.js";
import { hue, initials, moment, short } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { called, GROUPS, isIn, reps } from "../reading.js";
import { GROUP_TITLES, SESSION_STATES } from "../words.js";

// In px, as in desk.css.
const ROW = 68;
const OVERSCAN = 6;
const SEARCH_WAIT_MS = 200;
const PRESENT = { offline: "offline", away: "away", busy: "busy", online_voice: "online for voice only" };

class SessionList extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  /** @type {import("./desk-view.js").DeskView} */
  view;

  connectedCallback() {
    this.search = h("input.field", {
      id: "search",
      type: "search",
      placeholder: "Search",
      autocomplete: "off",
      input: () => this.#search(),
    });
    this.scroller = h("div.groups", { scroll: () => this.#draw(), keydown: (event) => this.#key(event) });
    this.append(
      h(
        "div.search",
        { role: "search" },
        h("label.unseen", { for: "search" }, "Search conversations"),
        icon("search", 18),
        this.search,
      ),
      this.scroller,
    );
    this.sections = new Map([...GROUPS, "found"].map((group) => [group, section(group)]));
    this.empty = h("div.empty");
    this.scroller.append(...[...this.sections.values()].map((s) => s.element), this.empty);
    this.unwatch = this.desk.watch(["sessions", "selection", "log", "me"], () => this.#render());
    this.resizes = new ResizeObserver(() => this.#draw());
    this.resizes.observe(this.scroller);
    this.#render();
  }

  disconnectedCallback() {
    this.unwatch();
    this.resizes.disconnect();
  }

  #search() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.desk.search(this.search.value), SEARCH_WAIT_MS);
  }

  #render() {
    const { desk } = this;
    const groups = desk.found
      ? { found: desk.found.ids.map((id) => desk.sessions.get(id)).filter(Boolean) }
      : desk.groups;
    let total = 0;
    for (const [group, { element, title, list }] of this.sections) {
      const items = groups[group] ?? [];
      total += items.length;
      element.hidden = !items.length;
      element.items = items;
      const words = `${GROUP_TITLES[group]} `;
      if (title.firstChild.data !== words) title.firstChild.data = words;
      title.lastChild.textContent = String(items.length);
      list.style.blockSize = `${items.length * ROW}px`;
    }
    this.empty.hidden = total > 0;
    if (!total) this.#nothing();
    this.#draw();
  }

  // What an empty list means, and what to do about it.
  #nothing() {
    const { desk } = this;
    const { status } = desk.presence;
    const state = desk.found ? "found" : desk.loaded ? status : "loading";
    if (this.emptyState === state) return;
    const focused = this.empty.contains(document.activeElement);
    this.emptyState = state;
    if (state === "found") fill(this.empty, h("p.muted", "Nothing found."));
    else if (state === "loading") fill(this.empty, h("p.muted", "Loading …"));
    else if (state === "online")
      fill(
        this.empty,
        h("p", "You are online."),
        h("p.muted", "New conversations are offered to you here."),
        desk.demo && h("p", h("a", { href: "/phones", target: "phones" }, "Be a customer on the phone wall")),
      );
    else
      fill(
        this.empty,
        h("p", `You are ${PRESENT[status] ?? status}.`),
        h("p.muted", "Go online, and new conversations are offered to you here."),
        h("button.button.primary", { click: (event) => busy(event.currentTarget, () => this.#online()) }, "Go online"),
      );
    // The button that was pressed is gone.
    if (focused) this.search.focus();
  }

  async #online() {
    if (await this.desk.setPresence("online")) announce("You are online. New conversations are offered to you here.");
  }

  // Which rows of each group are in view, by arithmetic: all rows are of one height.
  #draw() {
    const { desk } = this;
    const top = this.scroller.scrollTop;
    const height = this.scroller.clientHeight;
    const origin = this.scroller.getBoundingClientRect().top - top;
    for (const { element, list } of this.sections.values()) {
      if (element.hidden) {
        keyed(list, [], { key: Object, make: Object });
        continue;
      }
      const start = list.getBoundingClientRect().top - origin;
      const first = Math.max(0, Math.floor((top - start) / ROW) - OVERSCAN);
      const last = Math.min(element.items.length, Math.ceil((top + height - start) / ROW) + OVERSCAN);
      const rows = element.items
        .slice(first, Math.max(first, last))
        .map((session, n) => this.#row(session, first + n, element.items.length));
      keyed(list, rows, {
        key: (row) => row.session.id,
        make: (row) => draw(row, this.view),
        same: (a, b) => a.sign === b.sign,
      });
      for (const row of rows) {
        const item = list.shownItems.get(row.session.id).element;
        item.style.insetBlockStart = `${row.place * ROW}px`;
        item.setAttribute("aria-posinset", row.place + 1);
        item.setAttribute("aria-setsize", row.count);
        desk.warm(row.session.id);
      }
    }
  }

  #row(session, place, count) {
    const { desk } = this;
    const latest = desk.preview(session.id);
    const row = {
      session,
      place,
      count,
      selected: desk.selected === session.id,
      // Others' conversations are for others to read.
      unread: isIn(session, desk.me.login) ? desk.unread(session.id) : 0,
      typing: desk.typingIn(session.id).some((person) => person.role === "end_user"),
      preview: latest && previewOf(latest, desk.me.login),
      at: latest?.at ?? session.last_message_at ?? session.opened_at,
    };
    row.sign = JSON.stringify([
      row.selected,
      row.unread,
      row.typing,
      row.preview,
      short(row.at),
      session.end_user.name,
      session.status,
      reps(session).map((p) => p.name),
      Boolean(session.flag),
    ]);
    return row;
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const here = /** @type {HTMLElement} */ (document.activeElement.closest(".session-row"));
    if (!step || !here) return;
    event.preventDefault();
    const all = [...this.sections.values()].flatMap(({ element, list }) =>
      element.hidden ? [] : element.items.map((session, place) => ({ id: session.id, place, list })),
    );
    const now = all.findIndex(({ id }) => id === here.dataset.session);
    const next = all[Math.max(0, Math.min(all.length - 1, now + step))];
    const start =
      next.list.getBoundingClientRect().top -
      this.scroller.getBoundingClientRect().top +
      this.scroller.scrollTop +
      next.place * ROW;
    const { scrollTop, clientHeight } = this.scroller;
    if (start < scrollTop) this.scroller.scrollTop = start - 40;
    else if (start + ROW > scrollTop + clientHeight) this.scroller.scrollTop = start + ROW - clientHeight;
    this.#draw();
    this.querySelector(`[data-session="${CSS.escape(next.id)}"]`)?.focus();
  }
}

function previewOf({ from, text, deleted }, login) {
  const speaker = from?.role === "end_user" ? "" : `${from?.id === login ? "You" : (from?.name ?? "")}: `;
  return `${speaker}${deleted ? "(taken back)" : (text ?? "(file)")}`;
}

function section(group) {
  const id = `group-${group}`;
  const title = h("h2", { id }, " ", h("span.count"));
  const list = h("ul.sessions");
  return { title, list, element: h(`section.group.${group}`, { "aria-labelledby": id }, title, list) };
}

function draw({ session, selected, unread, typing, preview, at }, view) {
  const name = called(session.end_user);
  const avatar = h("span.avatar", { "aria-hidden": "true" }, initials(name));
  avatar.style.setProperty("--hue", hue(session.end_user.id));
  const others = reps(session)
    .map((p) => p.name)
    .join(", ");
  return h(
    "li",
    h(
      "button.session-row",
      {
        "aria-current": selected ? "true" : null,
        "data-session": session.id,
        "data-focus": "row",
        click: () => view.open(session.id),
      },
      avatar,
      h(
        "span.row-name",
        { dir: "auto" },
        name,
        session.flag && h("span.row-flag", icon("flag", 14), h("span.unseen", "flagged")),
      ),
      h("time.row-time", { datetime: at, title: moment(at) }, short(at)),
      h("span.row-text", { dir: "auto" }, typing ? h("em", "is typing …") : (preview ?? others)),
      h(
        "span.row-end",
        h("span.tag.channel", session.channel_title),
        session.status !== "active" && h("span.tag.quiet", SESSION_STATES[session.status]),
        unread > 0 && h("span.unread", String(unread), h("span.unseen", " unread")),
      ),
    ),
  );
}

customElements.define("byoc-session-list", SessionList);
