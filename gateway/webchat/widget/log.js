// The conversation: one item a line, in the order of their numbers, and below them what is not sent yet.
//
// One tab stop for the whole list; the arrow keys go from line to line. Each item is named with who, what and when.

import { h, linked } from "./dom.js";
import { nameOf, plain, sizeOf } from "./words.js";

/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./types.js").Item} Item */

const NEAR_END = 80;

export class Log {
  /**
   * The bubbles of what waits, by the messages' own ids.
   * @type {Map<string, HTMLElement>}
   */
  #pending = new Map();
  /**
   * Who speaks in an item: the visitor is "". A notice has no speaker.
   * @type {WeakMap<Element, string>}
   */
  #speakers = new WeakMap();

  /**
   * @param {import("./client.js").Client} client
   * @param {import("./types.js").Words} words
   */
  constructor(client, words) {
    this.client = client;
    this.words = words;
    this.list = h("ol", { "aria-label": words("log"), keydown: (event) => this.#walk(event) });
    this.more = h("button.more", { hidden: true, click: () => this.#older() }, words("earlier"));
    this.welcome = h("li.first.theirs", { hidden: true });
    this.when = h("div.under", { "aria-hidden": "true" });
    this.element = h("div.scroll", this.more, this.list, this.when);
    this.reset();
  }

  reset() {
    this.#pending.clear();
    this.list.replaceChildren(this.welcome);
    this.#tabStop();
  }

  /** @param {string | null} text */
  greet(text) {
    this.welcome.hidden = !text;
    this.welcome.replaceChildren(bubble(text ?? ""));
  }

  /** Everything that is known, at the end of which the visitor finds themself. */
  history() {
    this.reset();
    for (const line of this.client.lines) this.#append(line);
    this.queue();
    this.more.hidden = !this.client.older;
    this.down();
  }

  /** @param {Line} line */
  line(line) {
    const follow = this.atEnd;
    this.#append(line);
    this.queue();
    if (follow || line.from?.kind === "visitor") this.down();
  }

  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  down() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** Bubbles of what waits: made once, moved to the end, removed when their line has come. */
  queue() {
    const { waiting } = this.client.queue;
    for (const [id, item] of this.#pending) {
      if (!waiting.some(({ client_id }) => client_id === id)) {
        item.remove();
        this.#pending.delete(id);
      }
    }
    for (const wish of waiting) {
      const old = this.#pending.get(wish.client_id);
      const item = this.#waiting(wish);
      if (old) old.replaceWith(item);
      this.#pending.set(wish.client_id, item);
      this.list.append(item);
    }
    this.#tabStop();
    this.#date();
  }

  /** Below the last line stands when it was said, and of one's own, that it was sent. */
  #date() {
    const line = this.client.lines.at(-1);
    const mine = line?.from?.kind === "visitor";
    this.when.hidden = !line || this.#pending.size > 0 || line.type === "notice";
    this.when.textContent = line
      ? `${mine ? `${this.words("sent")} · ` : ""}${this.#time(line.at, { timeStyle: "short" })}`
      : "";
    this.when.classList.toggle("mine", mine);
  }

  /** @type {(at: string, style: Intl.DateTimeFormatOptions) => string} */
  #time(at, style) {
    return new Intl.DateTimeFormat(this.client.locale, style).format(new Date(at));
  }

  /** @param {Item} item */
  progress({ client_id: id, progress = 0 }) {
    const bar = /** @type {HTMLProgressElement | null | undefined} */ (
      this.#pending.get(id)?.querySelector("progress")
    );
    if (bar) bar.value = progress;
  }

  // ----------------------------------------------------------------------------------------------- one line

  /** @type {(line: Line, before?: Element | null) => void} */
  #append(line, before = null) {
    const item = this.#item(line);
    if (!item) return;
    this.list.insertBefore(item, before);
    this.#group(item);
    if (item.nextElementSibling) this.#group(item.nextElementSibling);
  }

  /** @param {Line} line */
  #item(line) {
    if (line.type === "notice") return this.#notice(line);
    // Of a kind to come.
    if (line.type !== "message") return null;
    const { from, at, file, text } = line;
    const mine = from?.kind === "visitor";
    const name = nameOf(line, this.words);
    return this.#row(
      mine,
      name,
      at,
      plain(line),
      !mine && [this.#face(name, from?.avatar), h("span.who", { dir: "auto" }, name)],
      file && this.#file(file),
      text && bubble(linked(text)),
    );
  }

  /** @param {Line} line */
  #notice({ text }) {
    const words = text || this.words("ended");
    return h("li.notice", { tabindex: "-1", dir: "auto" }, words);
  }

  /** @type {(mine: boolean, name: string, at: string, text?: string, ...children: unknown[]) => HTMLElement} */
  #row(mine, name, at, text, ...children) {
    const title = this.#time(at, { dateStyle: "short", timeStyle: "short" });
    const given = { tabindex: "-1", title, "aria-label": `${name}: ${text}` };
    const item = h(mine ? "li.mine" : "li.theirs", given, children);
    this.#speakers.set(item, mine ? "" : name);
    return item;
  }

  /** @param {import("./types.js").ChatFile} file */
  #file({ url, name, mime_type, size_bytes }) {
    const href = new URL(url, this.client.base).href;
    const link = { href, target: "_blank", rel: "noopener noreferrer", download: name };
    if (/^image\/(png|jpeg|gif|webp)$/.test(mime_type)) {
      return h("a", link, h("img.picture", { src: href, alt: name, loading: "lazy" }));
    }
    return h("a.bubble", { ...link, dir: "auto" }, `${name} (${sizeOf(size_bytes, this.client.locale)})`);
  }

  /** @type {(name: string, avatar?: string | null) => HTMLElement} */
  #face(name, avatar) {
    const face = h("span.face", { "aria-hidden": "true" }, [...name][0].toUpperCase());
    if (avatar && /^https?:/.test(avatar)) {
      // Behind the initial until it is there, so that a picture that can't be had leaves no hole.
      const picture = h("img", {
        src: avatar,
        alt: "",
        referrerpolicy: "no-referrer",
        load: () => face.replaceChildren(picture),
      });
    }
    return face;
  }

  /**
   * Name and picture stand at each change of the speaker.
   * @param {Element} item
   */
  #group(item) {
    const before = item.previousElementSibling;
    const speaker = this.#speakers.get(item);
    const first = speaker === undefined || !before || this.#speakers.get(before) !== speaker;
    item.classList.toggle("first", first);
    for (const part of item.querySelectorAll(".who, .face")) part.toggleAttribute("hidden", !first);
  }

  /** @param {Item} wish */
  #waiting(wish) {
    const { status, text, file, progress = 0, at } = wish;
    const uploads = file && status === "sending";
    const item = this.#row(
      true,
      this.words("you"),
      at,
      text || file?.name,
      file && bubble(file.name),
      text && bubble(linked(text)),
      uploads && h("progress", { "aria-label": this.words("sending"), max: "1", value: progress }),
      h("span.under", this.words(status), this.#choices(wish)),
    );
    item.classList.toggle("bad", status === "failed");
    return item;
  }

  /** @param {Item} wish */
  #choices(wish) {
    const { queue } = this.client;
    /** @type {(word: string, click: () => void) => HTMLElement} */
    const button = (word, click) => h("button", { click }, this.words(word));
    const drop = () => queue.drop(wish);
    if (wish.status === "failed") return [button("retry", () => queue.again(wish)), button("remove", drop)];
    return wish.status === "sending" && wish.file ? [button("cancel", drop)] : [];
  }

  // ------------------------------------------------------------------------------------------- older lines, keys

  async #older() {
    this.more.disabled = true;
    const before = this.list.children[1];
    const height = this.element.scrollHeight;
    for (const line of await this.client.loadOlder()) this.#append(line, before);
    // What was before the eyes stays there.
    this.element.scrollTop += this.element.scrollHeight - height;
    this.more.disabled = false;
    this.more.hidden = !this.client.older;
    this.#tabStop();
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const items = /** @type {HTMLElement[]} */ ([...this.list.children]).filter((item) => !item.hidden);
    const at = items.indexOf(/** @type {HTMLElement} */ (event.target));
    /** @type {{[key: string]: number}} */
    const ways = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: items.length - 1 };
    const to = ways[event.key];
    if (at < 0 || !items[to]) return;
    event.preventDefault();
    this.#tabStop(items[to]);
    items[to].focus();
  }

  /** @param {Element | null} item */
  #tabStop(item = this.list.lastElementChild) {
    for (const other of this.list.querySelectorAll(":scope > [tabindex='0']")) other.setAttribute("tabindex", "-1");
    item?.setAttribute("tabindex", "0");
  }
}

/** @param {string | (string | Node)[]} content */
const bubble = (content) => h("span.bubble", { dir: "auto" }, content);
