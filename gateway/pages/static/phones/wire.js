// What crossed the wire for one line: the webhook as it came, the envelope that it became, the request that went out.

import { fill, h, openDialog } from "../kit/dom.js";
import { clock } from "../kit/format.js";
import { icon } from "../kit/icons.js";
import * as calls from "./calls.js";

/** @typedef {import("../../types.js").Deed} Deed */
/** @typedef {import("../../types.js").PhoneLine} PhoneLine */
/** @typedef {import("./handset.js").Handset} Handset */

/** @type {{[step: string]: string}} */
const STEPS = { webhook: "Webhook in", envelope: "Envelope", request: "Request out" };

/**
 * Show a line of a handset, with what can be done with it; `button` opened it, and has the focus again afterwards.
 * @param {{handset: Handset, line: PhoneLine, deeds: Deed[], button: HTMLElement}} choice
 */
export async function showWire({ handset, line, deeds, button }) {
  const steps = h("div.steps");
  const close = () => dialog.close();
  const dialog = openDialog(
    "wire",
    { "aria-labelledby": "wire-title", close: () => button.focus() },
    h(
      "header",
      h("h2", { id: "wire-title" }, `${handset.channel.title}: one message`),
      h("button.button.bare.round", { "aria-label": "Close", click: close }, icon("close")),
    ),
    h("p.wire-line", { dir: "auto" }, line.text || line.media?.name || "A message"),
    deeds.length > 0 &&
      h(
        "div.wire-deeds",
        deeds.map((deed) => press(handset, line, deed, close)),
      ),
    steps,
  );
  try {
    const items = await calls.wire(handset.channel.id, handset.customer, line.id);
    if (!items) return;
    const told = items.length ? h("ol", items.map(stepLine)) : h("p.muted", "Nothing was recorded for this message.");
    fill(steps, h("h3", "What crossed the wire"), told);
  } catch (error) {
    fill(steps, h("p.muted", error.message));
  }
}

/** @type {(handset: Handset, line: PhoneLine, deed: Deed, close: () => void) => HTMLElement} */
function press(handset, line, deed, close) {
  const text = h("input.field", { id: "wire-edit", value: line.text ?? "", dir: "auto" });
  const edits = deed.kind === "edit";
  /** @param {Event} event */
  const go = (event) => {
    event.preventDefault();
    close();
    handset.onLine(line, deed, edits ? text.value : undefined);
  };
  if (!edits) return h("button.button", { click: go }, deed.words);
  return h(
    "form.edit",
    { submit: go },
    h("label.unseen", { for: "wire-edit" }, "New text"),
    text,
    h("button.button", { type: "submit" }, deed.words),
  );
}

/** @type {(step: calls.Step, n: number) => HTMLElement} */
function stepLine({ step, at, title, text }, n) {
  const id = `step-${n}`;
  const when = h("time.muted", { datetime: at }, clock(at));
  return h(
    `li.step.${step}`,
    h("p.step-title", { id }, h("strong", STEPS[step] ?? step), " ", title, " ", when),
    h("pre", { tabindex: "0", "aria-labelledby": id, role: "region" }, text),
  );
}
