// The log of a conversation: a window over its entries. Grey lines stand for what hasn't been loaded yet.

import { announce, busy, fill, h } from "../../kit/dom.js";
import { day } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { Scroller } from "../../kit/scroller.js";
import { called, isAside, isNews } from "../reading.js";
import { lineOf } from "../words.js";
import { dayLine, messageLine, newLine, quietLine, unsentLine } from "./log-line.js";

// In px, for each entry that isn't loaded.
const GREY_LINE = 44;
// In px: a scrollbar needs no more to tell that there is much.
const MOST_GREY = 200_000;
// Messages of one speaker within this stand together.
const RUN_MS = 5 * 60_000;

export class LogView extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;
  // Numbers of entries whose files were asked for anew.
  staleAsked = new Set();

  connectedCallback() {
    this.grey = h("div.grey-lines", { "aria-hidden": "true" });
    this.list = h("ol.lines");
    this.canvas = h("div.log-canvas", this.grey, this.list);
    this.view = h("div.log", { role: "region", "aria-label": "Conversation log", tabindex: "0" }, this.canvas);
    this.newest = h(
      "button.button.to-end",
      { hidden: true, click: () => this.#toEnd() },
      icon("down", 16),
      h("span", "Newest"),
    );
    this.status = h("p.typing", { "aria-live": "off" });
    this.append(this.view, this.newest, this.status);
    this.scroller = new Scroller({
      view: this.view,
      canvas: this.canvas,
      list: this.list,
      make: (row) => row.make(),
      guess: (row) => row.guess,
      onScroll: () => this.#moved(),
    });
    this.unwatch = this.desk.watch(["log", "selection"], () => this.render());
    document.addEventListener("visibilitychange", this.#seen);
    addEventListener("focus", this.#seen);
    this.render();
  }

  disconnectedCallback() {
    this.unwatch();
    this.scroller.close();
    document.removeEventListener("visibilitychange", this.#seen);
    removeEventListener("focus", this.#seen);
  }

  render() {
    const { desk } = this;
    const id = desk.selected;
    if (!id) return;
    const transcript = desk.transcript(id);
    if (id !== this.shown) this.#begin(id);
    this.source = transcript;
    const unloaded = transcript.loaded ? transcript.remaining : Math.min(desk.current?.entry_count ?? 8, 8);
    const lead = Math.min(unloaded * GREY_LINE, MOST_GREY);
    this.grey.style.blockSize = `${lead}px`;
    this.grey.hidden = !lead;
    this.scroller.set(this.#rows(transcript), lead);
    this.#tell(transcript);
    this.#typing();
    this.#moved();
  }

  #begin(id) {
    this.shown = id;
    this.told = null;
    this.readBefore = this.desk.marks.readUpTo(id);
    this.scroller.reset();
    this.facts = new Map();
  }

  // A row for each line. Of 10,000 entries all but a few are as they were: what was found out about one is kept with
  // it.
  #rows(transcript) {
    const rows = [];
    let before = null;
    let date = null;
    // Told where it is new: a web chat says with each message on which page it was written.
    let cameBy = null;
    let newPlaced = this.readBefore === null;
    for (const entry of transcript.entries) {
      const facts = this.#facts(entry);
      if (facts.hidden) continue;
      if (facts.day !== date) {
        date = facts.day;
        before = null;
        facts.dayRow ??= { key: `day ${entry.number}`, sign: date, guess: 40, make: () => dayLine(day(entry.at)) };
        rows.push(facts.dayRow);
      }
      if (!newPlaced && entry.number > this.readBefore && isNews(entry)) {
        newPlaced = true;
        before = null;
        rows.push({ key: "new", sign: "", guess: 30, make: newLine });
      }
      const by = entry.referral ? JSON.stringify(entry.referral) : cameBy;
      rows.push(this.#row(entry, facts, before, transcript, by !== cameBy));
      cameBy = by;
      before = facts;
    }
    for (const item of this.desk.outbox.of(this.desk.selected).filter(({ aside }) => !aside)) {
      rows.push({
        key: item.key,
        sign: `${item.state} ${item.problem}`,
        guess: 60,
        make: () =>
          unsentLine(item, {
            again: (key) => this.desk.outbox.again(key),
            discard: (key) => this.desk.outbox.discard(key),
          }),
      });
    }
    return rows;
  }

  // Entries are never changed in place, so one that is the same object has the same facts.
  #facts(entry) {
    const known = this.facts.get(entry.number);
    // A quiet line may name somebody whose name was learned since.
    const { size: names } = this.desk.names;
    if (known?.entry === entry && known.names === names) return known;
    const hidden = entry.kind === "whisper" || (entry.kind !== "message" && lineOf(entry, this.#name) === null);
    const facts = {
      entry,
      names,
      hidden,
      time: Date.parse(entry.at),
      day: new Date(entry.at).setHours(0, 0, 0, 0),
      speaker: entry.kind === "message" ? (entry.from?.id ?? "") : null,
      row: known?.entry === entry && entry.kind === "message" ? known.row : null,
    };
    this.facts.set(entry.number, facts);
    return facts;
  }

  #row(entry, facts, before, transcript, cameBy) {
    const key = entry.number;
    if (entry.kind !== "message") {
      facts.row ??= { key, sign: facts, guess: 30, make: () => quietLine(entry, this.#name) };
      return facts.row;
    }
    const lead = !(before && before.speaker === facts.speaker && facts.time - before.time < RUN_MS);
    const reactions = [...(transcript.reactions.get(key)?.values() ?? [])];
    const replyTo = entry.details?.reply_to ? transcript.get(Number(entry.details.reply_to)) : null;
    const kept = facts.row;
    if (
      kept &&
      kept.lead === lead &&
      kept.cameBy === cameBy &&
      kept.replyTo === replyTo &&
      kept.reactions.join() === reactions.join()
    )
      return kept;
    const { me } = this.desk;
    const side = entry.from?.role === "end_user" ? "customer" : entry.from?.id === me.login ? "mine" : "rep";
    const guess =
      64 + Math.floor((entry.text?.length ?? 0) / 60) * 20 + (entry.parts?.some((p) => p.type === "media") ? 160 : 0);
    facts.row = {
      key,
      sign: {},
      lead,
      cameBy,
      replyTo,
      reactions,
      guess,
      make: () => messageLine({ entry, side, lead, cameBy, reactions, replyTo }, this.actions),
    };
    return facts.row;
  }

  #name = (id) => this.desk.name("agent", id);

  // Once for each new message, however the window moves.
  #tell(transcript) {
    if (!transcript.loaded) return;
    const { last } = transcript;
    if (this.told !== null) {
      for (const entry of transcript.entries.slice(-20)) {
        if (entry.number <= this.told || entry.from?.id === this.desk.me.login) continue;
        if (entry.kind === "message") announce(`${entry.from ? called(entry.from) : ""}: ${entry.text ?? "a file"}`);
        else if (!isAside(entry) && entry.kind !== "notice") announce(lineOf(entry, this.#name) ?? "");
      }
    }
    this.told = Math.max(this.told ?? 0, last);
  }

  #typing() {
    const people = this.desk.typingIn(this.desk.selected).map((person) => called(person));
    const words = people.length
      ? `${new Intl.ListFormat("en").format(people)} ${people.length > 1 ? "are" : "is"} typing …`
      : "";
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  #moved() {
    this.#seen();
    const transcript = this.source;
    const far = this.view.scrollTop + this.view.clientHeight < this.scroller.lead;
    const hidden = this.scroller.atEnd ? 0 : this.desk.unread(this.shown);
    this.newest.hidden = this.scroller.atEnd;
    this.newest.lastChild.textContent = hidden ? `${hidden} new` : "Newest";
    if (transcript && this.scroller.atLead && !transcript.loading) this.desk.loadOlder(this.shown, { far });
    else if (transcript && !transcript.loaded && !transcript.loading && !transcript.failed)
      this.desk.loadOlder(this.shown);
  }

  #toEnd() {
    this.scroller.toEnd();
    this.#moved();
    this.view.focus({ preventScroll: true });
  }

  #seen = () => {
    if (this.shown && this.scroller.atEnd && document.visibilityState === "visible" && document.hasFocus())
      this.desk.seen(this.shown);
  };

  actions = {
    again: (part, button) =>
      busy(button, () => this.desk.act(this.shown, () => this.desk.api.resend(this.shown, part.outbox_id))),
    stale: (entry, element) => this.#stale(entry, element),
    open: (part) => this.#open(part),
  };

  #stale(entry, element) {
    if (this.staleAsked.has(entry.number)) {
      element.replaceWith(h("span.file.failed", icon("alert"), "This file can't be opened now."));
      return;
    }
    this.staleAsked.add(entry.number);
    this.desk.take({ type: "media", session_id: this.shown, data: { number: entry.number } });
  }

  #open(part) {
    const dialog = h("dialog.lightbox", {
      "aria-label": part.name || "Picture",
      close: () => dialog.remove(),
      click: () => dialog.close(),
    });
    fill(dialog, h("img", { src: part.url, alt: part.caption || part.name || "Picture" }), h("button.button", "Close"));
    document.body.append(dialog);
    dialog.showModal();
  }
}

customElements.define("byoc-log", LogView);
