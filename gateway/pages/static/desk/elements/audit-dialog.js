// Who asked what of a session and what came of it: for supervisors, without customers' words.

import { h } from "../../kit/dom.js";
import { clock, day, moment } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { called } from "../reading.js";

/** Open the audit of a session. */
export function openAudit(desk, session) {
  const body = h("tbody");
  const told = h("p.muted", { role: "status" }, "Loading …");
  const more = h("button.button.small", { hidden: true, click: () => load() }, "More");
  let cursor = null;
  const dialog = h(
    "dialog.audit",
    { "aria-labelledby": "audit-title", close: () => dialog.remove() },
    h(
      "header",
      h("h2", { id: "audit-title", dir: "auto" }, `Audit: ${called(session.end_user)}`),
      h("button.button.bare.round", { "aria-label": "Close", click: () => dialog.close() }, icon("close")),
    ),
    h(
      "div.audit-table",
      { tabindex: "0", role: "region", "aria-labelledby": "audit-title" },
      h(
        "table",
        h(
          "thead",
          h(
            "tr",
            ["When", "Who", "What", "Outcome"].map((words) => h("th", { scope: "col" }, words)),
          ),
        ),
        body,
      ),
    ),
    told,
    more,
  );
  document.body.append(dialog);
  dialog.showModal();
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

function row(desk, { at, name, command, outcome, details }) {
  const extra = Object.entries(details ?? {})
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key.replaceAll("_", " ")}: ${told(desk, value)}`)
    .join(", ");
  return h(
    "tr",
    h("td", h("time", { datetime: at, title: moment(at) }, `${day(at)} ${clock(at)}`)),
    h("td", name ?? "the system"),
    h("td", words(command), extra && h("div.muted", extra)),
    h("td", { class: outcome === "done" ? "done" : "refused" }, outcome),
  );
}

const told = (desk, value) =>
  value?.type && value.id
    ? desk.recipientName(value)
    : typeof value === "object"
      ? JSON.stringify(value)
      : String(value);

// `AcceptInvitation` as people say it: "Accept invitation".
const words = (command) =>
  command.replace(/(?<=[a-z])(?=[A-Z])/g, " ").replace(/(?<=.)[A-Z]/g, (letter) => letter.toLowerCase());
