// Building elements. Whatever comes from outside goes in as a text node or an attribute, never as markup.

/**
 * An element: `h("button.button.primary", { title: "Send", click: send }, icon("send"), "Send")`. Classes stand
 * behind the tag's name. A function listens to the event of its name; false, null and undefined leave an attribute
 * (or a child) out. A button submits nothing unless its type says so.
 */
export function h(tag, ...rest) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  if (name === "button") element.type = "button";
  if (rest[0]?.constructor === Object) assign(element, rest.shift());
  element.append(...solid(rest));
  return element;
}

/** Set what `h` sets on an element that exists. */
export function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === false || value == null) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
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
 * Make an element's children stand for `items`, in order, one for each key, touching only what differs: what has the
 * focus keeps it. `same(item, shown)` says whether the element that stands for `shown` may stay as it is; `lost()` is
 * called when what had the focus is gone.
 */
export function keyed(parent, items, { key, make, same = Object.is, lost = () => {} }) {
  const shown = parent.shownItems ?? new Map();
  const next = new Map();
  let focused = /** @type {HTMLElement | null} */ (
    parent.contains(document.activeElement) ? document.activeElement : null
  );
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
 */
export async function busy(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return undefined;
  button.setAttribute("aria-disabled", "true");
  try {
    return await work();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
