// The conversation: one item a line, in the order of their numbers, and below them what is not sent yet.
//
// One tab stop for the whole list; the arrow keys go from line to line. Each item is named with who, what and when.

import { h, linked } from "./dom.js";
import { sizeOf } from "./words.js";

export class Log {
  constructor(client, words) {
    this.client = client;
    this.words = words;
    this.list = h("ol", { "aria-label": words("log"), keydown: (event) => this.#walk(event) });
    this.more = h(
      "button",
      { type: "button", class: "more", hidden: true, click: () => this.#older() },
      words("earlier"),
    );
    this.welcome = h("li", { class: "first theirs", hidden: true });
    this.when = h("div", { class: "under", "aria-hidden": "true" });
    this.element = h("div", { class: "scroll" }, this.more, this.list, this.when);
    this.#pending = new Map();
    this.reset();
  }

  #pending;

  reset() {
    this.#pending.clear();
    this.list.replaceChildren(this.welcome);
    this.#tabStop();
  }

  greet(text) {
    this.welcome.hidden = !text;
    this.welcome.replaceChildren(h("span", { class: "bubble", dir: "auto" }, text || ""));
  }

  // Everything that is known, at the end of which the visitor finds themself.
  history() {
    this.reset();
    for (const line of this.client.lines) this.#append(line);
    this.queue();
    this.more.hidden = !this.client.older;
    this.down();
  }

  line(line) {
    const follow = this.atEnd;
    this.#append(line);
    this.queue();
    if (follow || line.from?.kind === "visitor") this.down();
  }

  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < 80;
  }

  down() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  // Bubbles of what waits: made once, moved to the end, removed when their line has come.
  queue() {
    for (const [id, item] of this.#pending) {
      if (!this.client.waiting.some(({ client_id }) => client_id === id)) {
        item.remove();
        this.#pending.delete(id);
      }
    }
    for (const wish of this.client.waiting) {
      const old = this.#pending.get(wish.client_id);
      const item = this.#waiting(wish);
      if (old) old.replaceWith(item);
      this.#pending.set(wish.client_id, item);
      this.list.append(item);
    }
    this.#tabStop();
    this.#date();
  }

  // Below the last line stands when it was said, and of one's own, that it was sent.
  #date() {
    const line = this.client.lines.at(-1);
    const mine = line?.from?.kind === "visitor";
    this.when.hidden = !line || this.#pending.size > 0 || line.type === "notice";
    this.when.textContent = line
      ? `${mine ? `${this.words("sent")} · ` : ""}${this.#time(line.at, { timeStyle: "short" })}`
      : "";
    this.when.classList.toggle("mine", mine);
  }

  #time(at, style) {
    return new Intl.DateTimeFormat(this.client.locale, style).format(new Date(at));
  }

  progress(wish) {
    const bar = this.#pending.get(wish.client_id)?.querySelector("progress");
    if (bar) bar.value = wish.progress;
  }

  // ----------------------------------------------------------------------------------------------- one line

  #append(line, before = null) {
    const item = this.#item(line);
    if (!item) return;
    this.list.insertBefore(item, before);
    this.#group(item);
    if (item.nextElementSibling) this.#group(item.nextElementSibling);
  }

  #item(line) {
    if (line.type === "notice") return this.#notice(line);
    if (line.type !== "message") return null; // of a kind to come
    const mine = line.from?.kind === "visitor";
    const name = mine ? this.words("you") : line.from?.name || this.words("agent");
    const item = this.#row(mine, name, line.at, plain(line));
    if (!mine) item.append(this.#face(name, line.from?.avatar), h("span", { class: "who", dir: "auto" }, name));
    item.append(...this.#body(line));
    return item;
  }

  #notice(line) {
    const text = line.text || this.words("ended");
    return h("li", { class: "notice", tabindex: "-1", dir: "auto" }, text);
  }

  #row(mine, name, at, text) {
    const time = this.#time(at, { dateStyle: "short", timeStyle: "short" });
    const item = h("li", {
      class: mine ? "mine" : "theirs",
      tabindex: "-1",
      title: time,
      "aria-label": `${name}: ${text}`,
    });
    item.who = mine ? "" : name;
    return item;
  }

  #body({ text, file }) {
    const parts = [];
    if (file) parts.push(this.#file(file));
    if (text) parts.push(h("span", { class: "bubble", dir: "auto" }, linked(text)));
    return parts;
  }

  #file({ url, name, mime_type, size_bytes }) {
    const href = new URL(url, this.client.base).href;
    const link = { href, target: "_blank", rel: "noopener noreferrer", download: name };
    if (/^image\/(png|jpeg|gif|webp)$/.test(mime_type)) {
      return h("a", link, h("img", { class: "picture", src: href, alt: name, loading: "lazy" }));
    }
    return h("a", { ...link, class: "bubble", dir: "auto" }, `${name} (${sizeOf(size_bytes, this.client.locale)})`);
  }

  #face(name, avatar) {
    const face = h("span", { class: "face", "aria-hidden": "true" }, [...name][0].toUpperCase());
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

  // Name and picture stand at each change of the speaker.
  #group(item) {
    const before = item.previousElementSibling;
    const first = item.who === undefined || before?.who !== item.who;
    item.classList.toggle("first", first);
    for (const part of item.querySelectorAll(".who, .face")) part.hidden = !first;
  }

  #waiting(wish) {
    const { status, text, file, progress } = wish;
    const item = this.#row(true, this.words("you"), wish.at, text || file?.name);
    if (file) item.append(h("span", { class: "bubble", dir: "auto" }, file.name));
    if (text) item.append(h("span", { class: "bubble", dir: "auto" }, linked(text)));
    if (file && status === "sending")
      item.append(h("progress", { "aria-label": this.words("sending"), max: "1", value: String(progress || 0) }));
    item.append(h("span", { class: "under" }, this.words(status), ...this.#choices(wish)));
    item.classList.toggle("bad", status === "failed");
    return item;
  }

  #choices(wish) {
    const button = (word, act) => h("button", { type: "button", click: () => act(wish) }, this.words(word));
    const drop = (one) => this.client.drop(one);
    if (wish.status === "failed") return [button("retry", (one) => this.client.again(one)), button("remove", drop)];
    return wish.status === "sending" && wish.file ? [button("cancel", drop)] : [];
  }

  // ------------------------------------------------------------------------------------------- older lines, keys

  async #older() {
    this.more.disabled = true;
    const before = this.list.children[1];
    const height = this.element.scrollHeight;
    for (const line of await this.client.loadOlder()) this.#append(line, before);
    this.element.scrollTop += this.element.scrollHeight - height; // what was before the eyes stays there
    this.more.disabled = false;
    this.more.hidden = !this.client.older;
    this.#tabStop();
  }

  #walk(event) {
    const items = [...this.list.children].filter((item) => !item.hidden);
    const at = items.indexOf(event.target);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: items.length - 1 }[event.key];
    if (at < 0 || to === undefined || !items[to]) return;
    event.preventDefault();
    this.#tabStop(items[to]);
    items[to].focus();
  }

  #tabStop(item = this.list.lastElementChild) {
    for (const other of this.list.querySelectorAll(":scope > [tabindex='0']")) other.tabIndex = -1;
    if (item) item.tabIndex = 0;
  }
}

export function plain({ text, file }) {
  return [file && `[${file.name}]`, text].filter(Boolean).join(" ");
}
