// "Are you sure?": a small dialog that gives the answer.

import { h } from "../../kit/dom.js";

/** True when the rep presses the button named `yes`; Escape and Cancel are no. */
export function confirm(question, consequence, yes) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { class: "confirm", "aria-labelledby": "confirm-question", "aria-describedby": "confirm-consequence", on: { close: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } } },
      h("h2", { id: "confirm-question", dir: "auto" }, question),
      h("p", { id: "confirm-consequence" }, consequence),
      h("div", { class: "dialog-buttons" }, h("button", { class: "button", type: "button", on: { click: () => dialog.close("no") } }, "Cancel"), h("button", { class: "button danger", type: "button", on: { click: () => dialog.close("yes") } }, yes)),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
