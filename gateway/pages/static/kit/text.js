// Texts with addresses in them.

import { h } from "./dom.js";

const ADDRESS = /https?:\/\/[^\s<>"']+/gu;
const NOT_AT_ITS_END = /[.,;:!?)\]}»”’]+$/u;

/** A text as nodes, its web addresses as links that tell the other side nothing of us. */
export function linked(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = found[0].replace(NOT_AT_ITS_END, "");
    if (!URL.canParse(address)) continue;
    nodes.push(
      text.slice(end, found.index),
      h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, address),
    );
    end = found.index + address.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

const MARKS = { "*": "strong", _: "em", "~": "s" };
const MARKED = /(?<![\p{L}\p{N}])([*_~])(?=\S)(.+?)(?<=\S)\1(?![\p{L}\p{N}])/gu;

/** A text with WhatsApp's marks: `*bold*`, `_italic_`, `~struck~`. */
export function marked(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(MARKED)) {
    nodes.push(...linked(text.slice(end, found.index)), h(MARKS[found[1]], {}, marked(found[2])));
    end = found.index + found[0].length;
  }
  return [...nodes, ...linked(text.slice(end))];
}
