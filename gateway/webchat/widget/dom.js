// Elements without innerHTML: nothing that anybody wrote is ever read as markup.

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) set(element, name, value);
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export function set(element, name, value) {
  if (typeof value === "function") element.addEventListener(name, value);
  else if (value === true) element.setAttribute(name, "");
  else if (value === false || value == null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

const PATHS = {
  chat: "M4 4h16v12H9l-5 4z",
  close: "M6 6l12 12M18 6L6 18",
  send: "M3 11l18-8-8 18-2.5-7.5z",
  attach: "M20 11l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.7 16.7a1.7 1.7 0 0 1-2.4-2.4L15 6.6",
  end: "M10 4H5v16h5M10 12h10M16 8l4 4-4 4",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: name }))
    svg.setAttribute(key, value);
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;

// A text with its links made clickable: http(s) and mail addresses, nothing else.
export function linked(text) {
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
