// One line on a handset: a message in a bubble, or a notice apart from them.

import { h } from "../kit/dom.js";
import { clock, hue, initials, moment } from "../kit/format.js";
import { icon } from "../kit/icons.js";
import { linked, marked } from "../kit/text.js";

const SENT = {
  sending: ["Sending", "clock"],
  sent: ["Sent", "check"],
  delivered: ["Delivered", "checks"],
  read: ["Read", "checks"],
  failed: ["Not delivered", "alert"],
};

/**
 * A row; `kind`: the channel's; `first`: the first of a run from one side and speaker. `press(line, button)` when it
 * is chosen.
 */
export function bubble(line, { kind, first }, press) {
  const written = kind.startsWith("whatsapp") ? marked : linked;
  if (line.kind === "notice")
    return h(
      "li.row.notice",
      { "data-line": line.id },
      h(
        "button.notice-text",
        {
          "aria-description": "Notice; press for what crossed the wire",
          click: (event) => press(line, event.currentTarget),
        },
        h("span", { dir: "auto" }, written(line.text ?? "")),
      ),
    );
  const mine = line.from === "me";
  const [words, sign] = (mine && SENT[line.status]) || [];
  return h(
    `li.row.${mine ? "me" : "them"}${first ? " first" : ""}`,
    { "data-line": line.id },
    !mine && first && face(line.speaker),
    !mine && line.speaker && first && h("p.speaker", { dir: "auto" }, line.speaker),
    h(
      "div.bubble",
      h("span.unseen", mine ? "You: " : `${line.speaker ?? "Business"}: `),
      line.media && media(line.media),
      line.text && h("p.text", { dir: "auto" }, written(line.text)),
      line.deleted && !line.text && h("p.text.gone", "Taken back"),
      choices(line),
      line.reaction && h("p.reaction", line.reaction),
    ),
    h(
      "p.meta",
      h("time", { datetime: line.at, title: moment(line.at) }, clock(line.at)),
      words && h(`span.status.${line.status}`, icon(sign, 12), words),
      h(
        "button.look",
        {
          "aria-label": "Actions for this message",
          title: "This message …",
          click: (event) => press(line, event.currentTarget),
        },
        icon("more", 14),
      ),
    ),
  );
}

function face(speaker) {
  const element = h("span.avatar", { "aria-hidden": "true" }, speaker ? initials(speaker) : "B");
  element.style.setProperty("--hue", hue(speaker ?? "business"));
  return element;
}

function media({ name, mime_type: type = "", url }) {
  const words = name || "File";
  if (!url) return h("p.file", icon("file"), words);
  if (type.startsWith("image/"))
    return h(
      "a.picture",
      { href: url, target: "_blank", rel: "noopener" },
      h("img", { src: url, alt: words, loading: "lazy" }),
    );
  if (type.startsWith("video/"))
    return h("video", { src: url, controls: true, preload: "metadata", "aria-label": words });
  if (type.startsWith("audio/"))
    return h("audio", { src: url, controls: true, preload: "metadata", "aria-label": words });
  return h("a.file", { href: url, download: words }, icon("file"), h("span", { dir: "auto" }, words));
}

function choices({ choices: offered }) {
  return (
    Array.isArray(offered) &&
    offered.length > 0 &&
    h(
      "p.choices",
      offered.map((choice) => h("span.choice", choice.title ?? String(choice))),
    )
  );
}
