// The small things that pages show again and again: a time, a face, a text with addresses in it.

import { h } from "./dom.js";
import { clock, hue, initials, moment } from "./format.js";

/**
 * The time of a moment, with the whole of it for whoever asks.
 * @param {string} at
 * @param {string} shown as what it is shown
 */
export const time = (at, shown = clock(at)) => h("time", { datetime: at, title: moment(at) }, shown);

/**
 * Make a face of an element: the letters of somebody's name, in a colour of their own.
 * @template {HTMLElement} E
 * @param {E} element
 * @param {string} name
 * @param {string} id
 */
export function portray(element, name, id) {
  element.ariaHidden = "true";
  element.textContent = initials(name);
  element.style.setProperty("--hue", String(hue(id)));
  return element;
}

/**
 * A paragraph of what somebody wrote.
 * @param {string} words
 */
export const said = (words) => h("p.text", { dir: "auto" }, linked(words));

/** Of a link to a stranger's page: it tells the other side nothing of us. */
export const OUTSIDE = { target: "_blank", rel: "noopener noreferrer nofollow" };

const ADDRESS = /https?:\/\/[^\s<>"']+/gu;
const NOT_AT_ITS_END = /[.,;:!?)\]}»”’]+$/u;

/**
 * A text as nodes, its web addresses as links that tell the other side nothing of us.
 * @param {string} text
 */
export function linked(text) {
  /** @type {(string | Node)[]} */
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = found[0].replace(NOT_AT_ITS_END, "");
    if (!URL.canParse(address)) continue;
    nodes.push(text.slice(end, found.index), h("a", { href: address, ...OUTSIDE }, address));
    end = found.index + address.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}
