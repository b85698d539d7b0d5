// Elements without innerHTML: nothing that anybody wrote is ever read as markup.

/**
 * An element: `h("button.icon", { click, "aria-label": "Send" }, icon("send"))`. Classes stand behind the tag's name. A
 * function listens to the event of its name; false, null and undefined leave an attribute (or a child) out. A button
 * submits nothing unless its type says so.
 * @template {string} T
 * @param {T} tag
 * @param {[import("./types.js").Props<import("./types.js").Made<T>>, ...any[]] | any[]} rest
 * @returns {import("./types.js").Made<T>}
 */
export function h(tag, ...rest) {
  const [name, ...classes] = tag.split(".");
  /** @type {any} */
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  if (name === "button") element.type = "button";
  if (rest[0]?.constructor === Object) assign(element, rest.shift());
  element.append(...rest.flat(9).filter((child) => child != null && child !== false));
  return element;
}

/** @type {(element: Element, props: {[name: string]: any}) => void} */
function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === false || value == null) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** @type {{[name: string]: string}} */
const PATHS = {
  chat: "M4 4h16v12H9l-5 4z",
  close: "M6 6l12 12M18 6L6 18",
  send: "M3 11l18-8-8 18-2.5-7.5z",
  attach: "M20 11l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.7 16.7a1.7 1.7 0 0 1-2.4-2.4L15 6.6",
  end: "M10 4H5v16h5M10 12h10M16 8l4 4-4 4",
};

/** @param {string} name */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  assign(svg, { viewBox: "0 0 24 24", "aria-hidden": "true", class: name });
  assign(path, { d: PATHS[name] });
  svg.append(path);
  return svg;
}

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;

/**
 * A text with its links made clickable: http(s) and mail addresses, nothing else.
 * @param {string} text
 */
export function linked(text) {
  /** @type {(string | Node)[]} */
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    const href = found[0].startsWith("http") ? found[0] : `mailto:${found[0]}`;
    parts.push(
      text.slice(end, found.index),
      h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, found[0]),
    );
    end = found.index + found[0].length;
  }
  return [...parts, text.slice(end)];
}

// Long enough to be said, short enough not to be met again when reading on.
const KEEP = 10_000;

/**
 * The one voice for screen readers: a region that is there before its words are, and says each thing once. The lines
 * of the conversation are no live region themselves, or everything would be said twice; history is not said at all.
 */
export class Voice {
  element = h("div.voice", { role: "status", "aria-live": "polite", "aria-atomic": "false" });

  /** @param {string} text */
  say(text) {
    if (!text) return;
    const words = h("p", text);
    this.element.append(words);
    setTimeout(() => words.remove(), KEEP);
  }
}
