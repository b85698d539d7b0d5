// Where the rep writes to the customer, and below it what can be done with the conversation: at the lower left the
// conference.

import { assign, busy, fill, h } from "../../kit/dom.js";
import { size } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { called, isIn, reps } from "../reading.js";
import { saysSomething, UNSEEN } from "../wording.js";
import { askRecipient } from "./conference-dialog.js";
import { confirm } from "./confirm.js";

const TYPING_EVERY_MS = 4_000;
const TYPING_ENDS_MS = 6_000;

class Composer extends HTMLElement {
  /** @type {import("../state.js").Desk} */
  desk;

  /** @type {import("./log-view.js").LogView} */
  log;
  file = null;

  connectedCallback() {
    const { desk } = this;
    this.text = h("textarea.field", {
      id: "composer",
      rows: 2,
      dir: "auto",
      autocomplete: "off",
      input: () => this.#typed(),
      keydown: (event) => this.#key(event),
      paste: (event) => this.#paste(event),
      blur: () => this.#typing(false),
    });
    this.label = h("label.unseen", { for: "composer" }, "Message to the customer");
    this.picker = h("input", {
      type: "file",
      hidden: true,
      tabindex: -1,
      change: () => this.#take(this.picker.files[0]),
    });
    this.chip = h("div.file-chip", { hidden: true });
    this.send = h("button.button.primary", { type: "submit" }, icon("send"), "Send");
    this.form = h(
      "form.composer",
      {
        submit: (event) => this.#submit(event),
        dragover: (event) => event.preventDefault(),
        drop: (event) => this.#drop(event),
      },
      this.label,
      this.chip,
      h("div.write", this.text, this.send),
      this.picker,
    );
    this.conference = tool("add_person", "Conference", (event) => this.#ask("invite", event.currentTarget));
    this.transfer = tool("swap", "Transfer", (event) => this.#ask("transfer", event.currentTarget));
    this.attach = tool("attach", "Attach a file", () => this.picker.click());
    this.leave = tool("leave", "Leave Conversation", (event) => this.#leave(event.currentTarget));
    this.end = tool("end", "End Conversation", (event) => this.#end(event.currentTarget));
    this.end.classList.add("danger", "last");
    this.leave.classList.add("last");
    this.tools = h(
      "div.tools",
      { role: "toolbar", "aria-label": "Conversation" },
      this.conference,
      this.transfer,
      this.attach,
      h("span.gap"),
      this.leave,
      this.end,
    );
    this.watching = h("p.watching");
    this.append(this.form, this.watching, this.tools);
    this.unwatch = desk.watch(["selection"], () => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    this.#typing(false);
    this.unwatch();
  }

  #render() {
    const { desk } = this;
    const session = desk.current;
    if (!session) return;
    const focused = this.contains(document.activeElement) ? document.activeElement : null;
    if (session.id !== this.shown) this.#begin(session);
    const inside = isIn(session, desk.me.login) && session.status !== "ended";
    // Else nobody but the customer may begin anew.
    const speaks = inside && session.status === "active";
    const others = reps(session).length > 1;
    const mayEnd = session.status !== "ended" && ((inside && !others) || desk.me.supervisor);
    this.form.hidden = !speaks;
    for (const button of [this.conference, this.transfer, this.attach]) button.hidden = !speaks;
    allow(this.conference, session.can.invite);
    allow(this.transfer, session.can.transfer);
    this.leave.hidden = !(inside && others);
    this.end.hidden = !mayEnd;
    this.tools.hidden = !inside && !mayEnd;
    this.watching.hidden = speaks;
    this.watching.textContent = speaks ? "" : why(session, desk.me);
    this.text.placeholder = `Message to ${called(session.end_user)}`;
    // What had the focus may be hidden now: the keyboard goes on at the log.
    if (focused && !focused.checkVisibility()) document.querySelector(".log")?.focus();
    if (speaks && desk.takeFieldWish()) this.text.focus({ preventScroll: true });
  }

  #begin(session) {
    this.#typing(false);
    this.shown = session.id;
    this.text.value = this.desk.marks.draft(session.id);
    this.#take(null);
    this.#grow();
  }

  #key(event) {
    // The Enter that ends a Japanese or Chinese word chooses the word and sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  #submit(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    if (!text && !this.file) return;
    if (text && !saysSomething(text)) {
      this.desk.notice(this.shown, UNSEEN, "bad");
      return;
    }
    this.desk.outbox.say(this.shown, { text, file: this.file });
    this.text.value = "";
    this.desk.marks.write(this.shown, "");
    this.#take(null);
    this.#grow();
    this.#typing(false);
    this.log.scroller.toEnd();
    this.text.focus();
  }

  #typed() {
    this.desk.marks.write(this.shown, this.text.value);
    this.#grow();
    this.#typing(Boolean(this.text.value.trim()));
  }

  // Told at most every few seconds while it goes on; its end is told once.
  #typing(on) {
    clearTimeout(this.typingEnds);
    const session = this.shown;
    if (!session || !this.desk.current || (!on && !this.typingSince)) return;
    if (on) this.typingEnds = setTimeout(() => this.#typing(false), TYPING_ENDS_MS);
    if (on && Date.now() - (this.typingSince ?? 0) < TYPING_EVERY_MS) return;
    this.typingSince = on ? Date.now() : 0;
    this.desk.quietly(() => this.desk.api.typing(session, on));
  }

  #grow() {
    this.text.style.blockSize = "auto";
    this.text.style.blockSize = `${Math.min(this.text.scrollHeight + 2, 200)}px`;
  }

  #paste(event) {
    const file = event.clipboardData?.files[0];
    if (!file) return;
    event.preventDefault();
    this.#take(file);
  }

  #drop(event) {
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    this.#take(file);
  }

  #take(file) {
    this.file = file ?? null;
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = null;
    this.picker.value = "";
    this.chip.hidden = !file;
    if (!file) return;
    if (file.type.startsWith("image/")) this.preview = URL.createObjectURL(file);
    fill(
      this.chip,
      this.preview ? h("img", { src: this.preview, alt: "" }) : icon("file"),
      h("span", { dir: "auto" }, file.name),
      h("span.muted", size(file.size)),
      h(
        "button.button.bare.round.small",
        {
          "aria-label": `Remove ${file.name}`,
          click: () => {
            this.#take(null);
            this.text.focus();
          },
        },
        icon("close", 16),
      ),
    );
    this.text.focus();
  }

  // A button that can't work keeps the focus and says why when it is pressed, for those who see no title.
  #ask(purpose, button) {
    const { desk } = this;
    if (button.getAttribute("aria-disabled") === "true")
      desk.notice(desk.selected, desk.current.can[purpose].reason, "warn");
    else askRecipient(desk, desk.selected, purpose);
  }

  #leave(button) {
    const id = this.shown;
    return busy(button, () => this.desk.act(id, () => this.desk.api.leave(id)));
  }

  async #end(button) {
    const id = this.shown;
    const name = called(this.desk.current.end_user);
    if (
      !(await confirm(
        `End the conversation with ${name}?`,
        "It can't be reopened. The customer's next message starts a new one.",
        "End Conversation",
      ))
    )
      return;
    await busy(button, () => this.desk.act(id, () => this.desk.api.end(id)));
  }
}

function why(session, me) {
  if (session.status === "ended") return "This conversation has ended.";
  if (session.status === "inactive")
    return "Nobody has written for a long time. The conversation continues when the customer writes.";
  if (session.access === "preview") return "You are invited to join. Join to read the whole conversation and to answer.";
  if (session.status === "waiting") return "This conversation is waiting for a rep.";
  if (me.supervisor) return "You are watching. The customer doesn’t see you.";
  return "You are not in this conversation.";
}

function allow(button, { allowed, reason }) {
  const words = button.querySelector(".tool-words").textContent;
  assign(button, {
    "aria-disabled": allowed ? null : "true",
    "aria-description": allowed ? null : reason,
    title: allowed ? words : `${words}: ${reason}`,
  });
}

const tool = (sign, words, click) =>
  h("button.button.tool", { title: words, click }, icon(sign), h("span.tool-words", words));

customElements.define("byoc-composer", Composer);
