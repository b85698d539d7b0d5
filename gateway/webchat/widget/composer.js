// Where the visitor writes: a text that grows, a file by button, paste or drop, and quick replies above it; and the
// form with the questions before the chat.

import { h, icon } from "./dom.js";
import { sizeOf } from "./words.js";

/** @typedef {import("./types.js").Choice} Choice */

export class Composer {
  /**
   * @param {import("./client.js").Client} client
   * @param {import("./types.js").Words} words
   * @param {() => void} onSaid
   */
  constructor(client, words, onSaid) {
    this.client = client;
    this.words = words;
    this.onSaid = onSaid;
    this.input = h("textarea", {
      rows: "1",
      dir: "auto",
      "aria-label": words("input"),
      placeholder: words("input"),
      input: () => this.#changed(),
      keydown: (event) => this.#key(event),
      paste: (event) => this.#take(event.clipboardData, event),
      blur: () => client.typing(false),
    });
    this.picker = h("input", { type: "file", hidden: true, change: () => this.#picked() });
    this.note = h("p.note", { role: "alert" });
    this.choices = h("div.choices", { hidden: true });
    const attach = { "aria-label": words("attach"), click: () => this.picker.click() };
    this.element = h(
      "div",
      this.choices,
      this.note,
      h(
        "form.write",
        { submit: (event) => this.#submit(event) },
        h("button.icon", attach, icon("attach")),
        this.picker,
        this.input,
        h("button.icon.go", { type: "submit", "aria-label": words("send") }, icon("send")),
      ),
    );
  }

  /**
   * Files may be dropped anywhere on the panel.
   * @param {HTMLElement} area
   */
  catchDrops(area) {
    /** @type {(event: DragEvent, on: boolean) => void} */
    const over = (event, on) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      area.classList.toggle("over", on);
    };
    area.addEventListener("dragover", (event) => over(event, true));
    area.addEventListener("dragleave", (event) => over(event, false));
    area.addEventListener("drop", (event) => {
      over(event, false);
      this.#take(event.dataTransfer, event);
    });
  }

  /**
   * Buttons that answer for the visitor, or none.
   * @param {Choice[]} replies
   */
  offer(replies) {
    this.choices.hidden = !replies.length;
    const buttons = replies.map(({ id, title }) =>
      h("button", { dir: "auto", click: () => this.#say({ text: title, choice: { id, title } }) }, title),
    );
    this.choices.replaceChildren(...buttons);
  }

  /**
   * While an input method is composing, Enter chooses a word. Safari ends the composition first, and tells by the key
   * code.
   * @param {KeyboardEvent} event
   */
  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    this.#submit(event);
  }

  #changed() {
    const { input, client } = this;
    input.style.blockSize = "auto";
    input.style.blockSize = `${input.scrollHeight + 2}px`;
    client.typing(Boolean(input.value.trim()));
    const n = [...input.value].length;
    this.#tell(n > this.#most ? this.words("too_long", { n, max: this.#most }) : "");
  }

  /** Until the service has told its limits there are none; it looks itself. */
  get #most() {
    return this.client.config?.max_text || Infinity;
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text || [...text].length > this.#most) return;
    this.#say({ text });
    this.input.value = "";
    this.#changed();
  }

  /** @param {Pick<import("./types.js").Item, "text" | "choice" | "file">} words */
  #say(words) {
    this.client.say(words);
    this.input.focus();
    this.onSaid();
  }

  #picked() {
    this.#take(this.picker);
    this.picker.value = "";
  }

  /**
   * @param {{files: FileList | null} | null} given
   * @param {Event} [event]
   */
  #take(given, event) {
    const files = given?.files;
    if (!files?.length) return;
    event?.preventDefault();
    this.#tell("");
    for (const file of files) {
      const fault = this.#fault(file);
      if (fault) this.#tell(fault);
      else this.#say({ file });
    }
  }

  /**
   * Told before the upload; the service looks again, and closer.
   * @param {File} file
   */
  #fault(file) {
    const { max_file = Infinity, file_types = ["*"] } = this.client.config ?? {};
    if (file.size > max_file) return this.words("too_large", { size: sizeOf(max_file, this.client.locale) });
    /** @param {string} type */
    const fits = (type) => (type.endsWith("*") ? file.type.startsWith(type.slice(0, -1)) : file.type === type);
    return file_types.some(fits) ? "" : this.words("wrong_type");
  }

  /** @param {string} text */
  #tell(text) {
    if (this.note.textContent !== text) this.note.textContent = text;
  }
}

/** @typedef {import("./types.js").Field} Field */
/** @typedef {import("./types.js").Words} Words */
/** @typedef {HTMLInputElement | HTMLSelectElement} Input */

/** @type {{[kind: string]: string}} */
const TYPES = { name: "text", email: "email", phone: "tel", text: "text", checkbox: "checkbox" };
/** @type {{[kind: string]: string}} */
const FILLS_IN = { name: "name", email: "email", phone: "tel" };

/**
 * The questions before the chat, as the service sends them.
 * @type {(fields: Field[], words: Words, done: (answers: import("./types.js").Answers) => void) => HTMLFormElement}
 */
export function askForm(fields, words, done) {
  const rows = fields.map(rowOf);
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    const wrong = rows.filter((row) => !check(row, words));
    if (wrong.length) wrong[0].input.focus();
    else
      done(
        Object.fromEntries(rows.map(({ input }) => [input.name, answer(input)]).filter(([, value]) => value !== "")),
      );
  };
  const labels = rows.map(({ label }) => label);
  return h("form.ask", { novalidate: true, submit }, labels, h("button", { type: "submit" }, words("begin")));
}

/** @param {Field} field */
function rowOf(field) {
  const { name, kind, label, required } = field;
  const note = h("span.note", { id: `note-${name}`, hidden: true });
  const input = inputOf(field);
  input.setAttribute("aria-describedby", note.id);
  const text = h("span", required ? `${label} *` : label);
  const row = kind === "checkbox" ? h("label.check", input, text, note) : h("label", text, input, note);
  return { input, note, label: row };
}

/** @type {(field: Field) => Input} */
function inputOf({ name, kind, required, options }) {
  const props = { name, required, autocomplete: FILLS_IN[kind] ?? "off", dir: "auto" };
  if (kind !== "select") return h("input", { ...props, type: TYPES[kind] });
  const offered = options.map((option) => h("option", option));
  return h("select", props, h("option", { value: "" }), offered);
}

/** @type {(row: {input: Input, note: HTMLElement}, words: Words) => boolean} */
function check({ input, note }, words) {
  const sound = input.checkValidity();
  input.setAttribute("aria-invalid", String(!sound));
  note.hidden = sound;
  note.textContent = sound ? "" : input.validity.valueMissing ? words("required") : input.validationMessage;
  return sound;
}

/** @param {Input} input */
const answer = (input) =>
  input instanceof HTMLInputElement && input.type === "checkbox" ? input.checked : input.value.trim();
