// Where the rep writes to the customer, and below it what can be done with the conversation: at the lower left the
// conference.

import { assign, busy, fill, h } from "../../kit/dom.js";
import { size } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { called, elsewhere, isIn, reps } from "../state/sessions.js";
import { saysSomething, UNSEEN } from "../words.js";
import { askRecipient } from "./conference-dialog.js";
import { confirm } from "./dialogs.js";
import { Part } from "./part.js";

const TYPING_EVERY_MS = 4_000;
const TYPING_ENDS_MS = 6_000;
const FULL_HEIGHT = 200;

export class Composer extends Part {
  /** @type {File | null} */
  file = null;
  /** @type {string | null} */
  preview = null;
  /** @type {string | null} */
  shown = null;
  typingEnds = 0;
  typingSince = 0;

  /** @type {HTMLTextAreaElement} */
  text = h("textarea.field", {
    id: "composer",
    rows: 2,
    dir: "auto",
    autocomplete: "off",
    input: () => this.#typed(),
    keydown: (event) => submitOnEnter(event, this.form),
    paste: (event) => this.#offered(event, event.clipboardData),
    blur: () => this.#typing(false),
  });
  /** @type {HTMLInputElement} */
  picker = h("input", { type: "file", hidden: true, tabindex: -1, change: () => this.#take(this.picker.files?.[0]) });
  chip = h("div.file-chip", { hidden: true });
  /** @type {HTMLFormElement} */
  form = h(
    "form.composer",
    {
      submit: (event) => this.#submit(event),
      dragover: (event) => event.preventDefault(),
      drop: (event) => this.#offered(event, event.dataTransfer),
    },
    h("label.unseen", { for: "composer" }, "Message to the customer"),
    this.chip,
    h("div.write", this.text, h("button.button.primary", { type: "submit" }, icon("send"), "Send")),
    this.picker,
  );
  conference = tool("button.button.tool", "add_person", "Conference", () => this.#ask("invite", this.conference));
  transfer = tool("button.button.tool", "swap", "Transfer", () => this.#ask("transfer", this.transfer));
  attach = tool("button.button.tool", "attach", "Attach a file", () => this.picker.click());
  leave = tool("button.button.tool.last", "leave", "Leave Conversation", () => this.#leave());
  end = tool("button.button.tool.danger.last", "end", "End Conversation", () => this.#end());
  tools = h(
    "div.tools",
    { role: "toolbar", "aria-label": "Conversation" },
    this.conference,
    this.transfer,
    this.attach,
    h("span.gap"),
    this.leave,
    this.end,
  );
  watching = h("p.watching");

  /**
   * @param {import("../state/desk.js").Desk} desk
   * @param {() => void} onSaid
   */
  constructor(desk, onSaid) {
    super(desk);
    this.onSaid = onSaid;
    this.append(this.form, this.watching, this.tools);
  }

  connectedCallback() {
    this.follow(["selection"], () => this.#render());
  }

  disconnectedCallback() {
    this.#typing(false);
    super.disconnectedCallback();
  }

  #render() {
    const { desk } = this;
    const session = desk.current;
    if (!session) return;
    const focused = document.activeElement;
    if (session.id !== this.shown) this.#begin(session);
    const open = session.status !== "ended";
    const inside = isIn(session, desk.me.login) && open;
    // Else nobody but the customer may begin anew.
    const away = elsewhere(session);
    const speaks = inside && session.status === "active" && !away;
    const others = reps(session).length > 1;
    this.form.hidden = !speaks;
    for (const button of [this.conference, this.transfer, this.attach]) button.hidden = !speaks;
    allow(this.conference, session.can.invite);
    allow(this.transfer, session.can.transfer);
    this.leave.hidden = !(inside && others);
    this.end.hidden = !(open && ((inside && !others) || desk.me.supervisor));
    this.tools.hidden = Boolean(away) || (!inside && this.end.hidden);
    this.watching.hidden = speaks;
    this.watching.textContent = speaks ? "" : away || why(session, desk.me);
    this.text.placeholder = `Message to ${called(session.end_user)}`;
    // What had the focus may be hidden now: the keyboard goes on at the log.
    if (this.contains(focused) && !focused?.checkVisibility()) document.querySelector(".log")?.focus();
    if (speaks && desk.takeFieldWish()) this.text.focus({ preventScroll: true });
  }

  /** @param {V1.Session} session */
  #begin({ id }) {
    this.#typing(false);
    this.shown = id;
    this.text.value = this.desk.marks.draft(id);
    this.#take(null);
    this.#grow();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const { desk, shown: id, file } = this;
    const text = this.text.value.trim();
    if (!id || (!text && !file)) return;
    if (text && !saysSomething(text)) {
      desk.notices.add(id, UNSEEN, "bad");
      return;
    }
    desk.outbox.say(id, { text, file });
    this.text.value = "";
    desk.marks.write(id, "");
    this.#take(null);
    this.#grow();
    this.#typing(false);
    this.onSaid();
    this.text.focus();
  }

  #typed() {
    if (this.shown) this.desk.marks.write(this.shown, this.text.value);
    this.#grow();
    this.#typing(Boolean(this.text.value.trim()));
  }

  /**
   * Told at most every few seconds while it goes on; its end is told once.
   * @param {boolean} on
   */
  #typing(on) {
    clearTimeout(this.typingEnds);
    const { desk, shown: id } = this;
    if (!id || !desk.current || (!on && !this.typingSince)) return;
    if (on) this.typingEnds = setTimeout(() => this.#typing(false), TYPING_ENDS_MS);
    if (on && Date.now() - this.typingSince < TYPING_EVERY_MS) return;
    this.typingSince = on ? Date.now() : 0;
    desk.quietly(() => desk.api.typing(id, on));
  }

  #grow() {
    this.text.style.blockSize = "auto";
    this.text.style.blockSize = `${Math.min(this.text.scrollHeight + 2, FULL_HEIGHT)}px`;
  }

  /**
   * Pasted or dropped: a file is taken, a text goes where it always goes.
   * @type {(event: Event, given: DataTransfer | null) => void}
   */
  #offered(event, given) {
    const file = given?.files[0];
    if (!file) return;
    event.preventDefault();
    this.#take(file);
  }

  /** @param {File | null} [file] */
  #take(file = null) {
    this.file = file;
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = file?.type.startsWith("image/") ? URL.createObjectURL(file) : null;
    this.picker.value = "";
    this.chip.hidden = !file;
    if (!file) return;
    const remove = () => {
      this.#take(null);
      this.text.focus();
    };
    fill(
      this.chip,
      this.preview ? h("img", { src: this.preview, alt: "" }) : icon("file"),
      h("span", { dir: "auto" }, file.name),
      h("span.muted", size(file.size)),
      h("button.button.bare.round.small", { "aria-label": `Remove ${file.name}`, click: remove }, icon("close", 16)),
    );
    this.text.focus();
  }

  /**
   * A button that can't work keeps the focus and says why when it is pressed, for those who see no title.
   * @type {(purpose: V1.Purpose, button: Element) => void}
   */
  #ask(purpose, button) {
    const { desk } = this;
    const session = desk.current;
    if (!session) return;
    if (button.getAttribute("aria-disabled") !== "true") askRecipient(desk, session.id, purpose);
    else desk.notices.add(session.id, session.can[purpose].reason ?? "", "warn");
  }

  async #leave() {
    const { desk, shown: id } = this;
    if (id) await busy(this.leave, () => desk.act(id, () => desk.api.leave(id)));
  }

  async #end() {
    const { desk } = this;
    const session = desk.current;
    if (!session) return;
    const question = `End the conversation with ${called(session.end_user)}?`;
    const consequence = "It can't be reopened. The customer's next message starts a new one.";
    if (!(await confirm(question, consequence, "End Conversation"))) return;
    await busy(this.end, () => desk.act(session.id, () => desk.api.end(session.id)));
  }
}

/**
 * The Enter that ends a Japanese or Chinese word chooses the word and sends nothing; with Shift it begins a line.
 * @type {(event: KeyboardEvent, form: HTMLFormElement) => void}
 */
export function submitOnEnter(event, form) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form.requestSubmit();
}

/** @type {(session: V1.Session, me: V1.Me) => string} */
function why({ status, access }, { supervisor }) {
  if (status === "ended") return "This conversation has ended.";
  if (status === "inactive")
    return "Nobody has written for a long time. The conversation continues when the customer writes.";
  if (access === "preview") return "You are invited to join. Join to read the whole conversation and to answer.";
  if (status === "waiting") return "This conversation is waiting for a rep.";
  return supervisor ? "You are watching. The customer doesn’t see you." : "You are not in this conversation.";
}

/** @type {(button: HTMLElement, can: V1.Allowed) => void} */
function allow(button, { allowed, reason }) {
  const words = button.textContent;
  const given = allowed
    ? { "aria-disabled": null, "aria-description": null, title: words }
    : { "aria-disabled": "true", "aria-description": reason, title: `${words}: ${reason}` };
  assign(button, given);
}

/**
 * @param {`button.${string}`} tag
 * @param {string} sign
 * @param {string} words
 * @param {() => void} click
 */
const tool = (tag, sign, words, click) => h(tag, { title: words, click }, icon(sign), h("span.tool-words", words));

customElements.define("byoc-composer", Composer);
