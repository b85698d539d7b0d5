// Building elements. Whatever comes from outside goes in as a text node or an attribute, never as markup.

/** @typedef {import("../../types.js").Child} Child */

/**
 * An element: `h("button.button.primary", { title: "Send", click: send }, icon("send"), "Send")`. Classes stand
 * behind the tag's name. A function listens to the event of its name; false, null and undefined leave an attribute
 * (or a child) out. A button submits nothing unless its type says so.
 * @template {string} T
 * @param {T} tag
 * @param {[import("../../types.js").Props<import("../../types.js").Made<T>>, ...Child[]] | Child[]} rest
 * @returns {import("../../types.js").Made<T>}
 */
export function h(tag, ...rest) {
  const [name, ...classes] = tag.split(".");
  /** @type {any} */
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  if (name === "button") element.type = "button";
  if (rest[0]?.constructor === Object) assign(element, /** @type {object} */ (rest.shift()));
  return fill(element, ...rest);
}

/**
 * Set what `h` sets on an element that exists.
 * @param {Element} element
 * @param {{[name: string]: any}} props
 */
export function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === false || value == null) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/**
 * The children of an element, replaced.
 * @template {Element} E
 * @param {E} element
 * @param {any[]} children as `Child`
 */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(9).filter((child) => child != null && child !== false));
  return element;
}

/**
 * Set an element's text. One that is the same stays untouched: a selection in it lasts, and it isn't read out again.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * What stands for the items of a list, by their keys.
 * @type {WeakMap<Element, Map<any, {item: any, element: HTMLElement}>>}
 */
const lists = new WeakMap();

/**
 * Make an element's children stand for `items`, in order, one for each key, touching only what differs: what has the
 * focus keeps it. `same(item, shown)` says whether the element that stands for `shown` may stay as it is; `lost()` is
 * called when what had the focus is gone. Gives the elements by their keys.
 * @template T, K
 * @param {Element} parent
 * @param {T[]} items
 * @param {{key: (item: T) => K, make: (item: T) => HTMLElement, same?: (a: T, b: T) => boolean, lost?: () => void}} how
 * @returns {Map<K, {item: T, element: HTMLElement}>}
 */
export function keyed(parent, items, { key, make, same = Object.is, lost = () => {} }) {
  const shown = lists.get(parent) ?? new Map();
  const next = new Map();
  let focused = /** @type {HTMLElement | null} */ (document.activeElement);
  if (!parent.contains(focused)) focused = null;
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    let kept = shown.get(id);
    if (!kept || !same(item, kept.item)) {
      const element = make(item);
      if (kept) {
        if (focused && kept.element.contains(focused)) focused = counterpart(focused, kept.element, element) ?? focused;
        if (kept.element === place) place = element;
        kept.element.replaceWith(element);
      }
      kept = { item, element };
    }
    kept.item = item;
    next.set(id, kept);
    shown.delete(id);
    if (kept.element === place) place = kept.element.nextElementSibling;
    else parent.insertBefore(kept.element, place);
  }
  for (const { element } of shown.values()) element.remove();
  lists.set(parent, next);
  // An element that was replaced, or only moved, has lost the focus.
  if (focused && !parent.contains(focused)) lost();
  else if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
  return next;
}

/**
 * What stands in `after` where `focused` stood in `before`: of the same `data-focus`, or the whole element.
 * @type {(focused: HTMLElement, before: HTMLElement, after: HTMLElement) => HTMLElement | null}
 */
function counterpart(focused, before, after) {
  if (focused === before) return after;
  return focused.dataset.focus ? after.querySelector(`[data-focus="${CSS.escape(focused.dataset.focus)}"]`) : null;
}

/**
 * A dialog, open, and gone once it is closed.
 * @param {string} kind its class
 * @param {{[name: string]: unknown}} props
 * @param {Child[]} children
 */
export function openDialog(kind, props, ...children) {
  const dialog = h(`dialog.${kind}`, props, ...children);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Say something to screen readers once, at a quiet moment; `urgent` interrupts.
 * @param {string} text
 */
export function announce(text, { urgent = false } = {}) {
  const id = urgent ? "say-now" : "say-next";
  let region = document.getElementById(id);
  if (!region) {
    region = h("div.unseen", { id, role: urgent ? "alert" : "status", "aria-live": urgent ? "assertive" : "polite" });
    document.body.append(region);
  }
  // A line of its own for each text: a region whose text is replaced too soon is read in part or not at all.
  const line = h("div", text);
  region.append(line);
  setTimeout(() => line.remove(), 5000);
}

/**
 * Run a button's work; a second press meanwhile does nothing. The button keeps the focus, which a disabled one would
 * lose.
 * @param {Element} button
 * @param {() => Promise<unknown>} work
 */
export async function busy(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
