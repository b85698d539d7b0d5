// Small dialogs: "are you sure?", a picture in full, and the audit of a session.

import { h, openDialog } from "../../kit/dom.js";
import { clock, day } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { time } from "../../kit/pieces.js";
import { recipientName } from "../state/names.js";
import { called } from "../state/sessions.js";

/**
 * The head of a dialog: what it is, and a button that closes it.
 * @param {string} id the title's, which names the dialog
 * @param {string} title
 * @param {() => void} close
 */
export const dialogHead = (id, title, close) =>
  h(
    "header",
    h("h2", { id, dir: "auto" }, title),
    h("button.button.bare.round", { "aria-label": "Close", click: close }, icon("close")),
  );

/**
 * True when the rep presses the button named `yes`; Escape and Cancel are no.
 * @type {(question: string, consequence: string, yes: string) => Promise<boolean>}
 */
export const confirm = (question, consequence, yes) =>
  new Promise((resolve) => {
    const dialog = openDialog(
      "confirm",
      {
        "aria-labelledby": "confirm-question",
        "aria-describedby": "confirm-consequence",
        close: () => resolve(dialog.returnValue === "yes"),
      },
      h("h2", { id: "confirm-question", dir: "auto" }, question),
      h("p", { id: "confirm-consequence" }, consequence),
      h(
        "div.dialog-buttons",
        h("button.button", { click: () => dialog.close("no") }, "Cancel"),
        h("button.button.danger", { click: () => dialog.close("yes") }, yes),
      ),
    );
  });

/** @param {V1.Media} part */
export function openPicture({ url, name, caption }) {
  const picture = h("img", { src: url, alt: caption || name || "Picture" });
  const given = { "aria-label": name || "Picture", click: () => dialog.close() };
  const dialog = openDialog("lightbox", given, picture, h("button.button", "Close"));
}

/**
 * Who asked what of a session and what came of it: for supervisors, without customers' words.
 * @param {import("../state/desk.js").Desk} desk
 * @param {V1.Session} session
 */
export function openAudit(desk, session) {
  const body = h("tbody");
  const told = h("p.muted", { role: "status" }, "Loading …");
  const more = h("button.button.small", { hidden: true, click: () => load() }, "More");
  const heads = ["When", "Who", "What", "Outcome"].map((words) => h("th", { scope: "col" }, words));
  /** @type {string | null} */
  let cursor = null;
  const dialog = openDialog(
    "audit",
    { "aria-labelledby": "audit-title" },
    dialogHead("audit-title", `Audit: ${called(session.end_user)}`, () => dialog.close()),
    h(
      "div.audit-table",
      { tabindex: "0", role: "region", "aria-labelledby": "audit-title" },
      h("table", h("thead", h("tr", heads)), body),
    ),
    told,
    more,
  );
  load();

  async function load() {
    try {
      const page = await desk.api.audit(session.id, { cursor, limit: 100 });
      body.append(...page.items.map((record) => row(desk, record)));
      cursor = page.next;
      more.hidden = !cursor;
      told.textContent = body.childElementCount ? "" : "Nothing has been recorded yet.";
    } catch (error) {
      told.textContent = error.message;
    }
  }
}

/** @type {(desk: import("../state/desk.js").Desk, record: V1.Audit) => HTMLElement} */
function row(desk, { at, name, command, outcome, details }) {
  const extra = Object.entries(details)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key.replaceAll("_", " ")}: ${worded(desk, value)}`);
  return h(
    "tr",
    h("td", time(at, `${day(at)} ${clock(at)}`)),
    h("td", name ?? "the system"),
    h("td", commandWords(command), extra.length > 0 && h("div.muted", extra.join(", "))),
    h(outcome === "done" ? "td.done" : "td.refused", outcome),
  );
}

/** @type {(desk: import("../state/desk.js").Desk, value: any) => string} */
function worded(desk, value) {
  if (value?.type && value.id) return recipientName({ name: desk.names.of(value.id), ...value });
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/**
 * `AcceptInvitation` as people say it: "Accept invitation".
 * @param {string} command
 */
const commandWords = (command) =>
  command.replace(/(?<=[a-z])(?=[A-Z])/g, " ").replace(/(?<=.)[A-Z]/g, (letter) => letter.toLowerCase());
