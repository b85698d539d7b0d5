// What crossed the wire for one line: the webhook as it came, the envelope that it became, the request that went out.

import { fill, h } from "../kit/dom.js";
import { clock } from "../kit/format.js";
import { icon } from "../kit/icons.js";
import * as calls from "./calls.js";

const STEPS = { webhook: "Webhook in", envelope: "Envelope", request: "Request out" };

class WirePanel extends HTMLElement {
  /** Show a line of a handset, with what can be done with it. */
  async show({ handset, line, deeds, button }) {
    const asked = Symbol("line");
    this.asked = asked;
    this.opener = button;
    const steps = h("div.steps");
    this.dialog?.remove();
    this.dialog = h(
      "dialog.wire",
      {
        "aria-labelledby": "wire-title",
        close: () => {
          this.dialog?.remove();
          this.opener?.focus();
        },
      },
      h(
        "header",
        h("h2", { id: "wire-title" }, `${handset.channel.title}: one message`),
        h("button.button.bare.round", { "aria-label": "Close", click: () => this.dialog.close() }, icon("close")),
      ),
      h("p.wire-line", { dir: "auto" }, line.text || line.media?.name || "A message"),
      deeds.length > 0 &&
        h(
          "div.wire-deeds",
          deeds.map((deed) => this.#deed(handset, line, deed)),
        ),
      steps,
    );
    this.append(this.dialog);
    this.dialog.showModal();
    try {
      const items = await calls.wire(handset.channel.id, handset.customer, line.id);
      if (asked !== this.asked) return;
      if (items)
        fill(
          steps,
          h("h3", "What crossed the wire"),
          items.length ? h("ol", items.map(step)) : h("p.muted", "Nothing was recorded for this message."),
        );
    } catch (error) {
      if (asked === this.asked) fill(steps, h("p.muted", error.message));
    }
  }

  #deed(handset, line, deed) {
    if (deed.kind !== "edit")
      return h(
        "button.button",
        {
          click: () => {
            this.dialog.close();
            handset.onLine(line, deed);
          },
        },
        deed.words,
      );
    const text = h("input.field", { id: "wire-edit", value: line.text ?? "", dir: "auto" });
    const submit = (event) => {
      event.preventDefault();
      this.dialog.close();
      handset.onLine(line, deed, text.value);
    };
    return h(
      "form.edit",
      { submit },
      h("label.unseen", { for: "wire-edit" }, "New text"),
      text,
      h("button.button", { type: "submit" }, deed.words),
    );
  }
}

const step = ({ step: kind, at, title, text }, n) =>
  h(
    `li.step.${kind}`,
    h(
      "p.step-title",
      { id: `step-${n}` },
      h("strong", STEPS[kind] ?? kind),
      " ",
      title,
      " ",
      h("time.muted", { datetime: at }, clock(at)),
    ),
    h("pre", { tabindex: "0", "aria-labelledby": `step-${n}`, role: "region" }, text),
  );

customElements.define("byoc-wire", WirePanel);
