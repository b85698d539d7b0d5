// Small line icons, drawn here: 24 units square, one stroke.

import { assign } from "./dom.js";

/** @type {{[name: string]: string}} */
const PATHS = {
  add_person: "M15 19v-1a5 5 0 0 0-10 0v1M10 10a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M19 8v6M16 11h6",
  alert: "M12 4 3 20h18zM12 10v4M12 17v.5",
  attach: "m20 11-8 8a5 5 0 0 1-7-7l8-8a3.4 3.4 0 0 1 5 5l-8 8a1.7 1.7 0 0 1-2.5-2.500l7-7",
  back: "M15 5l-7 7 7 7",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
  bell_off: "M6 16V11a6 6 0 0 1 10-4.500M18 11v5l2 2H4M10 21h4M4 4l16 16",
  check: "M5 13l4 4L19 7",
  checks: "M2 13l4 4L15 7M11 16l1 1L22 7",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 7v5l3 2",
  close: "M6 6l12 12M18 6 6 18",
  contact: "M4 5h16v14H4zM9 13a2 2 0 1 0 0-4 2 2 0 0 0 0 4M6 17a3 3 0 0 1 6 0M15 10h3M15 14h3",
  down: "M5 9l7 7 7-7",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  end: "M5 5h14v14H5z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  flag: "M6 21V4h11l-2 4 2 4H6",
  leave: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  list: "M4 6h16M4 12h16M4 18h10",
  lock: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  phone:
    "M6 3h4l1.5 5-2.5 2a12 12 0 0 0 5 5l2-2.5 5 1.500v4a2 2 0 0 1-2 2A17 17 0 0 1 4 5a2 2 0 0 1 2-2M15 4l5 5M20 4l-5 5",
  pin: "M12 21s7-6.5 7-12a7 7 0 0 0-14 0c0 5.5 7 12 7 12M12 11.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5",
  pinned: "M9 4h6l-1 6 3 3H7l3-3zM12 13v8",
  redo: "M20 12a8 8 0 1 1-2.5-5.800M20 3v5h-5",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14M16.5 16.5 21 21",
  send: "M4 12 20 4l-4 16-4-7z",
  sound: "M5 9v6h4l5 4V5L9 9zM17 9a4 4 0 0 1 0 6",
  sticker: "M4 4h16v10l-6 6H4zM14 20v-6h6M9 9v1M15 9v1M8.5 13a4 4 0 0 0 4 2",
  swap: "M7 8h13l-4-4M17 16H4l4 4",
  tag: "M3 4h9l9 9-8 8-9-9zM8 9v.01",
  wire: "M3 7h6v10h6V7h6",
};

/**
 * An icon; it says nothing to screen readers, so the button around it needs words of its own.
 * @param {string} name
 */
export function icon(name, size = 20) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  assign(svg, { viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true", class: `icon icon-${name}` });
  assign(path, { d: PATHS[name] });
  svg.append(path);
  return svg;
}
