// The log of a conversation: a window over its entries. Grey lines stand for what hasn't been loaded yet.

import { announce, busy, h, write } from "../../kit/dom.js";
import { day, list, midnight } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { Scroller } from "../../kit/scroller.js";
import { called } from "../state/sessions.js";
import { isAside, isNews } from "../state/transcript.js";
import { lineOf } from "../words.js";
import { openPicture } from "./dialogs.js";
import { headLine, messageLine, quietLine, unsentLine } from "./log-line.js";
import { Part } from "./part.js";

/** @typedef {import("../../kit/scroller.js").Row} Row */
/** @typedef {import("../state/transcript.js").Transcript} Transcript */
/** @typedef {import("./log-line.js").Message} Message */
/**
 * What was found out about an entry, kept with it: of 10,000 entries all but a few are as they were.
 * @typedef {{
 *   entry: V1.Entry, names: number, hidden: boolean, time: number, day: number, speaker: string | null,
 *   dayRow?: Row, row?: Row, message?: Message,
 * }} Facts
 */

// In px, for each entry that isn't loaded.
const GREY_LINE = 44;
// In px: a scrollbar needs no more to tell that there is much.
const MOST_GREY = 200_000;
// Messages of one speaker within this stand together.
const RUN_MS = 5 * 60_000;

export class LogView extends Part {
  /** @type {string | null} */
  shown = null;
  /** @type {Map<number, Facts>} */
  facts = new Map();
  /**
   * Numbers of entries whose files were asked for anew.
   * @type {Set<number>}
   */
  staleAsked = new Set();
  /**
   * How far the rep had read when the conversation was opened.
   * @type {number | null}
   */
  readBefore = null;
  /**
   * The last entry that was said to screen readers.
   * @type {number | null}
   */
  told = null;

  grey = h("div.grey-lines", { "aria-hidden": "true" });
  list = h("ol.lines");
  canvas = h("div.log-canvas", this.grey, this.list);
  view = h("div.log", { role: "region", "aria-label": "Conversation log", tabindex: "0" }, this.canvas);
  newestWords = h("span");
  newest = h("button.button.to-end", { hidden: true, click: () => this.#toEnd() }, icon("down", 16), this.newestWords);
  status = h("p.typing", { "aria-live": "off" });
  scroller = new Scroller({ view: this.view, canvas: this.canvas, list: this.list, onScroll: () => this.#moved() });

  connectedCallback() {
    this.append(this.view, this.newest, this.status);
    this.follow(["log", "selection"], () => this.#render());
    this.listen(document, "visibilitychange", () => this.#seen());
    this.listen(window, "focus", () => this.#seen());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.scroller.close();
  }

  #render() {
    const { desk } = this;
    const id = desk.selected;
    if (!id) return;
    const transcript = desk.transcripts.of(id);
    if (id !== this.shown) this.#begin(id);
    const unloaded = transcript.remaining ?? Math.min(desk.current?.entry_count ?? 8, 8);
    const lead = Math.min(unloaded * GREY_LINE, MOST_GREY);
    this.grey.style.blockSize = `${lead}px`;
    this.grey.hidden = !lead;
    this.scroller.set(this.#rows(id, transcript), lead);
    this.#tell(transcript);
    this.#typing(id);
    this.#moved();
  }

  /** @param {string} id */
  #begin(id) {
    this.shown = id;
    this.told = null;
    this.readBefore = this.desk.marks.readUpTo(id);
    this.scroller.reset();
    this.facts = new Map();
  }

  /**
   * A row for each line.
   * @param {string} id
   * @param {Transcript} transcript
   */
  #rows(id, transcript) {
    /** @type {Row[]} */
    const rows = [];
    /** @type {Facts | null} */
    let before = null;
    let date = 0;
    // Told where it is new: a web chat says with each message on which page it was written.
    let cameBy = "";
    let newPlaced = this.readBefore === null;
    for (const entry of transcript.entries) {
      const facts = this.#facts(entry);
      if (facts.hidden) continue;
      if (facts.day !== date) {
        date = facts.day;
        before = null;
        const make = () => headLine("day", day(entry.at));
        facts.dayRow ??= { key: `day ${entry.number}`, sign: date, guess: 40, make };
        rows.push(facts.dayRow);
      }
      if (!newPlaced && entry.number > (this.readBefore ?? 0) && isNews(entry)) {
        newPlaced = true;
        before = null;
        rows.push({ key: "new", sign: "", guess: 30, make: () => headLine("new", "New") });
      }
      const by = entry.referral ? JSON.stringify(entry.referral) : cameBy;
      rows.push(this.#row(facts, before, transcript, by !== cameBy));
      cameBy = by;
      before = facts;
    }
    const { outbox } = this.desk;
    for (const item of outbox.of(id)) {
      const sign = `${item.state} ${item.problem}`;
      if (!item.aside) rows.push({ key: item.key, sign, guess: 60, make: () => unsentLine(item, outbox) });
    }
    return rows;
  }

  /**
   * Entries are never changed in place, so one that is the same object has the same facts.
   * @param {V1.Entry} entry
   * @returns {Facts}
   */
  #facts(entry) {
    const known = this.facts.get(entry.number);
    // A quiet line may name somebody whose name was learned since.
    const names = entry.kind === "message" ? 0 : this.desk.names.size;
    if (known?.entry === entry && known.names === names) return known;
    const { number, kind, at, from } = entry;
    const message = kind === "message";
    const facts = {
      entry,
      names,
      hidden: !message && lineOf(entry, this.desk.names.of) === null,
      time: Date.parse(at),
      day: midnight(at),
      speaker: message ? (from?.id ?? "") : null,
    };
    this.facts.set(number, facts);
    return facts;
  }

  /**
   * @param {Facts} facts
   * @param {Facts | null} before
   * @param {Transcript} transcript
   * @param {boolean} cameBy
   * @returns {Row}
   */
  #row(facts, before, transcript, cameBy) {
    const { entry, row, message: was } = facts;
    const { number: key, kind, from, details, text, parts } = entry;
    if (kind !== "message") {
      facts.row ??= { key, sign: facts, guess: 30, make: () => quietLine(entry, this.desk.names.of) };
      return facts.row;
    }
    const lead = before?.speaker !== facts.speaker || facts.time - before.time >= RUN_MS;
    const reactions = [...(transcript.reactions.get(key)?.values() ?? [])];
    const replyTo = details.reply_to ? transcript.get(Number(details.reply_to)) : null;
    const same = was?.lead === lead && was.cameBy === cameBy && was.replyTo === replyTo;
    if (row && same && was.reactions.join() === reactions.join()) return row;
    const side = from?.role === "end_user" ? "customer" : from?.id === this.desk.me.login ? "mine" : "rep";
    /** @type {Message} */
    const message = { entry, side, lead, cameBy, reactions, replyTo };
    const pictures = parts.some(({ type }) => type === "media") ? 160 : 0;
    const guess = 64 + Math.floor((text?.length ?? 0) / 60) * 20 + pictures;
    facts.message = message;
    facts.row = { key, sign: message, guess, make: () => messageLine(message, this.actions) };
    return facts.row;
  }

  /**
   * Once for each new message, however the window moves.
   * @param {Transcript} transcript
   */
  #tell({ loaded, entries, last }) {
    if (!loaded) return;
    const { told } = this;
    this.told = Math.max(told ?? 0, last);
    for (const entry of told === null ? [] : entries.slice(-20)) {
      const { number, kind, from, text } = entry;
      if (number <= /** @type {number} */ (told) || from?.id === this.desk.me.login) continue;
      if (kind === "message") announce(`${from ? called(from) : ""}: ${text ?? "a file"}`);
      else if (!isAside(entry) && kind !== "notice") announce(lineOf(entry, this.desk.names.of) ?? "");
    }
  }

  /** @param {string} id */
  #typing(id) {
    const people = this.desk.typing.in(id).map(called);
    write(this.status, people.length ? `${list(people)} ${people.length > 1 ? "are" : "is"} typing …` : "");
  }

  #moved() {
    const { desk, shown: id, scroller } = this;
    if (!id) return;
    this.#seen();
    const hidden = scroller.atEnd ? 0 : desk.unread(id);
    this.newest.hidden = scroller.atEnd;
    this.newestWords.textContent = hidden ? `${hidden} new` : "Newest";
    const { loaded, loading, failed } = desk.transcripts.of(id);
    const { near, far } = scroller.lead;
    if (!loading && (near || (!loaded && !failed))) desk.transcripts.loadOlder(id, { far });
  }

  #toEnd() {
    this.scroller.toEnd();
    this.#moved();
    this.view.focus({ preventScroll: true });
  }

  #seen() {
    const looks = document.visibilityState === "visible" && document.hasFocus();
    if (this.shown && this.scroller.atEnd && looks) this.desk.seen(this.shown);
  }

  /** @type {import("./log-line.js").Actions} */
  actions = {
    again: ({ outbox_id: part }, button) => {
      const { desk, shown: id } = this;
      if (id) busy(button, () => desk.act(id, () => desk.api.resend(id, part)));
    },
    stale: (entry, element) => this.#stale(entry, element),
    open: openPicture,
  };

  /** @type {(entry: V1.Entry, element: Element) => void} */
  #stale({ number }, element) {
    if (this.staleAsked.has(number)) {
      element.replaceWith(h("span.file.failed", icon("alert"), "This file can't be opened now."));
      return;
    }
    this.staleAsked.add(number);
    if (this.shown) this.desk.transcripts.refetch(this.shown, number);
  }
}

customElements.define("byoc-log", LogView);
