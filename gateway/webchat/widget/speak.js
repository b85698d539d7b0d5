// The one voice for screen readers: a region that is there before its words are, and says each thing once. The lines
// of the conversation are no live region themselves, or everything would be said twice; history is not said at all.

import { h } from "./dom.js";

const KEEP = 10_000; // long enough to be said, short enough not to be met again when reading on

export class Voice {
  constructor() {
    this.element = h("div", { class: "voice", role: "status", "aria-live": "polite", "aria-atomic": "false" });
  }

  say(text) {
    if (!text) return;
    const words = h("p", {}, text);
    this.element.append(words);
    setTimeout(() => words.remove(), KEEP);
  }
}
