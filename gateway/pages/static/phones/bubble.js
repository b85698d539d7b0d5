// One line on a handset: a message in a bubble, or a notice apart from them.

import { h } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { linked, portray, time } from "../kit/pieces.js";

/** @typedef {import("../../types.js").PhoneLine} PhoneLine */

/** @type {{[status: string]: [words: string, sign: string]}} */
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
 * @param {PhoneLine} line
 * @param {{kind: string, first: boolean}} where
 * @param {(line: PhoneLine, button: HTMLElement) => void} press
 */
export function bubble(line, { kind, first }, press) {
  const { id, at, from, text, speaker, status, deleted, reaction } = line;
  const written = kind.startsWith("whatsapp") ? marked : linked;
  /** @param {{currentTarget: HTMLElement}} event */
  const click = ({ currentTarget }) => press(line, currentTarget);
  if (line.kind === "notice") {
    const given = { "aria-description": "Notice; press for what crossed the wire", click };
    const words = h("span", { dir: "auto" }, written(text ?? ""));
    return h("li.row.notice", { "data-line": id }, h("button.notice-text", given, words));
  }
  const mine = from === "me";
  const [words, sign] = (mine && SENT[status ?? ""]) || [];
  const look = { "aria-label": "Actions for this message", title: "This message …", click };
  return h(
    `li.row.${mine ? "me" : "them"}${first ? ".first" : ""}`,
    { "data-line": id },
    !mine && first && face(speaker),
    !mine && first && speaker && h("p.speaker", { dir: "auto" }, speaker),
    h(
      "div.bubble",
      h("span.unseen", mine ? "You: " : `${speaker ?? "Business"}: `),
      line.media && media(line.media),
      text && h("p.text", { dir: "auto" }, written(text)),
      deleted && !text && h("p.text.gone", "Taken back"),
      choices(line),
      reaction && h("p.reaction", reaction),
    ),
    h(
      "p.meta",
      time(at),
      words && sign && h(`span.status.${status}`, icon(sign, 12), words),
      h("button.look", look, icon("more", 14)),
    ),
  );
}

/** @param {string | null} [speaker] */
function face(speaker) {
  const element = portray(h("span.avatar"), speaker ?? "", speaker ?? "business");
  if (!speaker) element.textContent = "B";
  return element;
}

/** @param {NonNullable<PhoneLine["media"]>} file */
function media({ name, mime_type: type = "", url: src }) {
  const words = name || "File";
  if (!src) return h("p.file", icon("file"), words);
  const [family] = type.split("/");
  if (family === "image") {
    const picture = h("img", { src, alt: words, loading: "lazy" });
    return h("a.picture", { href: src, target: "_blank", rel: "noopener" }, picture);
  }
  const player = { src, controls: true, preload: "metadata", "aria-label": words };
  if (family === "video" || family === "audio") return h(family, player);
  return h("a.file", { href: src, download: words }, icon("file"), h("span", { dir: "auto" }, words));
}

/** @param {PhoneLine} line */
function choices({ choices: offered = [] }) {
  const words = offered.map((choice) => (typeof choice === "string" ? choice : (choice.title ?? "")));
  return (
    words.length > 0 &&
    h(
      "p.choices",
      words.map((one) => h("span.choice", one)),
    )
  );
}

/** @type {{[mark: string]: string}} */
const MARKS = { "*": "strong", _: "em", "~": "s" };
const MARKED = /(?<![\p{L}\p{N}])([*_~])(?=\S)(.+?)(?<=\S)\1(?![\p{L}\p{N}])/gu;

/**
 * A text with WhatsApp's marks: `*bold*`, `_italic_`, `~struck~`.
 * @param {string} text
 * @returns {(string | Node)[]}
 */
function marked(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(MARKED)) {
    nodes.push(...linked(text.slice(end, found.index)), h(MARKS[found[1]], marked(found[2])));
    end = found.index + found[0].length;
  }
  return [...nodes, ...linked(text.slice(end))];
}
