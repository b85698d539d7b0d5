// Building elements. Whatever comes from outside goes in as a text node or an attribute, never as markup.

const AS_PROPERTY = new Set(["value", "checked", "disabled", "hidden", "open", "readOnly", "selected", "multiple", "htmlFor", "tabIndex"]);

/**
 * An element: `h("button", {class: "go", on: {click}}, icon("send"), "Send")`.
 * `on` holds listeners, `data` data-attributes; false, null and undefined leave an attribute (or a child) out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, props);
  element.append(...solid(children));
  return element;
}

/** Set what `h` sets on an element that exists. */
export function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (name === "data") {
      for (const [key, text] of Object.entries(value)) if (text != null) element.dataset[key] = text;
    } else if (AS_PROPERTY.has(name)) {
      if (value !== undefined && element[name] !== value) element[name] = value;
    } else if (value === false || value == null) {
      element.removeAttribute(name);
    } else {
      const text = value === true ? "" : String(value);
      if (element.getAttribute(name) !== text) element.setAttribute(name, text);
    }
  }
  return element;
}

/** The children of an element, replaced. */
export function fill(element, ...children) {
  element.replaceChildren(...solid(children));
  return element;
}

function solid(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/**
 * Make an element's children stand for `items`, in order, one for each key, touching only what differs: what has the focus keeps it.
 * `same(item, shown)` says whether the element that stands for `shown` may stay as it is; `lost()` is called when what had the focus is gone.
 */
export function keyed(parent, items, { key, make, same = Object.is, lost = () => {} }) {
  const shown = (parent.shownItems ??= new Map());
  const next = new Map();
  let focused = /** @type {HTMLElement | null} */ (parent.contains(document.activeElement) ? document.activeElement : null);
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
    if (kept.element === place) place = place.nextElementSibling;
    else parent.insertBefore(kept.element, place);
  }
  for (const { element } of shown.values()) element.remove();
  parent.shownItems = next;
  // An element that was replaced, or only moved, has lost the focus.
  if (focused && !parent.contains(focused)) lost();
  else if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** What stands in `after` where `focused` stood in `before`: of the same `data-focus`, or the whole element. */
function counterpart(focused, before, after) {
  if (focused === before) return after;
  return focused.dataset.focus ? after.querySelector(`[data-focus="${CSS.escape(focused.dataset.focus)}"]`) : null;
}

/** Say something to screen readers once, at a quiet moment; `urgent` interrupts. */
export function announce(text, { urgent = false } = {}) {
  const id = urgent ? "say-now" : "say-next";
  let region = document.getElementById(id);
  if (!region) {
    region = h("div", { id, class: "unseen", role: urgent ? "alert" : "status", "aria-live": urgent ? "assertive" : "polite" });
    document.body.append(region);
  }
  // A line of its own for each text: a region whose text is replaced too soon is read in part or not at all.
  const line = h("div", {}, text);
  region.append(line);
  setTimeout(() => line.remove(), 5000);
}

/** Run a button's work; a second press meanwhile does nothing. The button keeps the focus, which a disabled one would lose. */
export async function busy(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return undefined;
  button.setAttribute("aria-disabled", "true");
  try {
    return await work();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
