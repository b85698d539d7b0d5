// Where the visitor writes: a text that grows, a file by button, paste or drop, and quick replies above it.

import { h, icon } from "./dom.js";
import { sizeOf } from "./words.js";

export class Composer {
  constructor(client, words, said) {
    this.client = client;
    this.words = words;
    this.said = said; // called after something was said
    this.input = h("textarea", {
      rows: "1",
      dir: "auto",
      "aria-label": words("input"),
      placeholder: words("input"),
      input: () => this.#changed(),
      keydown: (event) => this.#key(event),
      paste: (event) => this.#take(event.clipboardData.files, event),
      blur: () => client.typing(false),
    });
    this.picker = h("input", { type: "file", hidden: true, change: () => this.#picked() });
    this.note = h("p", { class: "note", role: "alert" });
    this.choices = h("div", { class: "choices", hidden: true });
    const attach = h(
      "button",
      { type: "button", class: "icon", "aria-label": words("attach"), click: () => this.picker.click() },
      icon("attach"),
    );
    const send = h("button", { type: "submit", class: "icon go", "aria-label": words("send") }, icon("send"));
    const form = h(
      "form",
      { class: "write", submit: (event) => this.#submit(event) },
      attach,
      this.picker,
      this.input,
      send,
    );
    this.element = h("div", {}, this.choices, this.note, form);
  }

  // Files may be dropped anywhere on the panel.
  catchDrops(area) {
    const over = (on) => (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      area.classList.toggle("over", on);
    };
    area.addEventListener("dragover", over(true));
    area.addEventListener("dragleave", over(false));
    area.addEventListener("drop", (event) => {
      over(false)(event);
      this.#take(event.dataTransfer.files, event);
    });
  }

  // Buttons that answer for the visitor, or none.
  offer(replies) {
    this.choices.hidden = !replies.length;
    const button = (choice) =>
      h(
        "button",
        {
          type: "button",
          dir: "auto",
          click: () => this.#say({ text: choice.title, choice: { id: choice.id, title: choice.title } }),
        },
        choice.title,
      );
    this.choices.replaceChildren(...replies.map(button));
  }

  #key(event) {
    // While an input method is composing, Enter chooses a word. Safari ends the composition first, and tells by the
    // key code.
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

  // Until the service has told its limits there are none; it looks itself.
  get #most() {
    return this.client.config?.max_text || Infinity;
  }

  #submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text || [...text].length > this.#most) return;
    this.#say({ text });
    this.input.value = "";
    this.#changed();
  }

  #say(words) {
    this.client.say(words);
    this.input.focus();
    this.said();
  }

  #picked() {
    this.#take(this.picker.files);
    this.picker.value = "";
  }

  #take(files, event) {
    if (!files?.length) return;
    event?.preventDefault();
    this.#tell("");
    for (const file of files) {
      const fault = this.#fault(file);
      if (fault) this.#tell(fault);
      else this.#say({ file });
    }
  }

  // Told before the upload; the service looks again, and closer.
  #fault(file) {
    const { max_file = Infinity, file_types = ["*"] } = this.client.config || {};
    if (file.size > max_file) return this.words("too_large", { size: sizeOf(max_file, this.client.locale) });
    const fits = (type) => (type.endsWith("*") ? file.type.startsWith(type.slice(0, -1)) : file.type === type);
    return file_types.some(fits) ? "" : this.words("wrong_type");
  }

  #tell(text) {
    if (this.note.textContent !== text) this.note.textContent = text;
  }
}
