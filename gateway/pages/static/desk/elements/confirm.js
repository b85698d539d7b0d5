// "Are you sure?": a small dialog that gives the answer.

import { h } from "../../kit/dom.js";

/** True when the rep presses the button named `yes`; Escape and Cancel are no. */
export function confirm(question, consequence, yes) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog.confirm",
      {
        "aria-labelledby": "confirm-question",
        "aria-describedby": "confirm-consequence",
        close: () => {
          dialog.remove();
          resolve(dialog.returnValue === "yes");
        },
      },
      h("h2", { id: "confirm-question", dir: "auto" }, question),
      h("p", { id: "confirm-consequence" }, consequence),
      h(
        "div.dialog-buttons",
        h("button.button", { click: () => dialog.close("no") }, "Cancel"),
        h("button.button.danger", { click: () => dialog.close("yes") }, yes),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
