// A long list of rows of unlike heights, of which only those near the view are in the document.
//
// Heights are guessed until a row has been drawn, and remembered afterwards. Whenever anything above the view changes
// (older rows come, a picture loads, a guess was wrong), the row that the reader looks at stays where it is: it is
// the anchor, and the scroll position follows it. At the end of the list the end is the anchor.
//
// The end is left only by the reader, and by the smallest move upwards. The browser reports the reader's moves, our
// own and those that a change of size forces all by the same event, so we remember where we put the view and how high
// it was: only an event that finds the view as high as it was and somewhere else is the reader's.

/**
 * A row: drawn anew when its sign is another; `guess` is its height in px until then.
 * @typedef {{key: string | number, sign: unknown, guess: number, make: () => HTMLElement}} Row
 */
/**
 * What the reader looks at: a row, and how far below the view's top it begins; null: the end.
 * @typedef {{key: Row["key"], offset: number} | null} Anchor
 */

// In px, drawn above and below the view.
const BEYOND = 600;
// In px from the end at which a reader who moves down has arrived there.
const AT_END = 48;

/** Where each row begins, in px. */
export class Layout {
  /** @type {Row[]} */
  rows = [];
  // In px, at the start that stand for rows that aren't here yet.
  lead = 0;
  /**
   * As drawn, by key.
   * @type {Map<Row["key"], number>}
   */
  #heights = new Map();
  #tops = [0];

  /** @type {(rows: Row[], lead: number) => void} */
  set(rows, lead) {
    this.rows = rows;
    this.lead = lead;
    this.arrange();
  }

  /** Work out the places anew, by the heights that are known now. */
  arrange() {
    let top = this.lead;
    this.#tops = [top];
    for (const { key, guess } of this.rows) {
      top += this.#heights.get(key) ?? guess;
      this.#tops.push(top);
    }
  }

  /**
   * A row was drawn. True when it is not as high as was thought.
   * @type {(key: Row["key"], height: number) => boolean}
   */
  measured(key, height) {
    if (Math.abs((this.#heights.get(key) ?? -1) - height) <= 0.5) return false;
    this.#heights.set(key, height);
    return true;
  }

  get height() {
    return this.#tops[this.rows.length];
  }

  /** @param {number} place a row's */
  top(place) {
    return this.#tops[place];
  }

  /**
   * The row at a position; the first or the last beyond them.
   * @param {number} position
   */
  at(position) {
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#tops[middle] <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * While the lead fills the view, the anchor is the first row that is here, so that what comes is put between.
   * @param {number} top the view's
   * @returns {Anchor}
   */
  anchor(top) {
    const place = this.at(top);
    return this.rows[place] ? { key: this.rows[place].key, offset: this.#tops[place] - top } : null;
  }

  /**
   * Where the view's top must be for the anchor to stay where it is; where it is now, when the row is gone.
   * @type {(anchor: Anchor, now: number, viewHeight: number) => number}
   */
  topFor(anchor, now, viewHeight) {
    const place = anchor ? this.rows.findIndex(({ key }) => key === anchor.key) : -1;
    return Math.max(0, !anchor ? this.height - viewHeight : place < 0 ? now : this.#tops[place] - anchor.offset);
  }
}

export class Scroller {
  atEnd = true;
  #layout = new Layout();
  /** @type {Map<Row["key"], {element: HTMLElement, sign: unknown}>} */
  #shown = new Map();
  #sizes = new ResizeObserver(() => this.#later());
  #frame = 0;
  // The view as we last left it.
  #left = { top: 0, height: 0 };

  /**
   * `view` scrolls; `list` holds the rows; `onScroll()` is called after each move.
   * @param {{view: HTMLElement, canvas: HTMLElement, list: HTMLElement, onScroll?: () => void}} given
   */
  constructor({ view, canvas, list, onScroll = () => {} }) {
    this.view = view;
    this.canvas = canvas;
    this.list = list;
    this.onScroll = onScroll;
    this.#sizes.observe(view);
    view.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  close() {
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /**
   * Other rows, or other signs on them.
   * @type {(rows: Row[], lead: number) => void}
   */
  set(rows, lead) {
    const anchor = this.#anchor;
    this.#layout.set(rows, lead);
    this.#draw(anchor);
  }

  /** Forget everything: another list begins, at its end. */
  reset() {
    this.#layout = new Layout();
    for (const { element } of this.#shown.values()) element.remove();
    this.#shown.clear();
    this.atEnd = true;
  }

  toEnd() {
    this.atEnd = true;
    this.#draw(null);
  }

  /** Whether the lead, the part that isn't here yet, is in view or nearly; `far`: it fills the view. */
  get lead() {
    const { lead } = this.#layout;
    const { scrollTop, clientHeight } = this.view;
    return { near: lead > 0 && scrollTop < lead + BEYOND, far: scrollTop + clientHeight < lead };
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.view;
    const moved = clientHeight === this.#left.height ? scrollTop - this.#left.top : 0;
    if (moved < -1) this.atEnd = false;
    else if (moved > 1) this.atEnd = scrollTop + clientHeight >= scrollHeight - AT_END;
    this.#draw(this.#anchor);
    this.onScroll();
  }

  #later() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw(this.#anchor));
  }

  get #anchor() {
    return this.atEnd ? null : this.#layout.anchor(this.view.scrollTop);
  }

  /** @param {Anchor} anchor */
  #draw(anchor) {
    // Drawing tells true heights, which move the rows, which may bring others into view: it settles in two rounds or
    // three.
    for (let round = 0; round < 4; round += 1) {
      this.#layout.arrange();
      this.#place(anchor);
      this.#render();
      if (!this.#measure()) break;
    }
    this.#place(anchor);
  }

  /** @param {Anchor} anchor */
  #place(anchor) {
    const { view } = this;
    this.canvas.style.blockSize = `${this.#layout.height}px`;
    const top = this.#layout.topFor(anchor, view.scrollTop, view.clientHeight);
    if (Math.abs(view.scrollTop - top) > 0.5) view.scrollTop = top;
    this.#left = { top: view.scrollTop, height: view.clientHeight };
  }

  #render() {
    const { scrollTop, clientHeight } = this.view;
    const { rows } = this.#layout;
    const first = this.#layout.at(scrollTop - BEYOND);
    const last = Math.min(rows.length, this.#layout.at(scrollTop + clientHeight + BEYOND) + 1);
    const next = new Map();
    let place = this.list.firstElementChild;
    for (let n = first; n < last; n += 1) {
      const { key, sign, make } = rows[n];
      let shown = this.#shown.get(key);
      if (!shown || shown.sign !== sign) {
        const element = make();
        if (shown) {
          if (shown.element === place) place = place.nextElementSibling;
          this.#sizes.unobserve(shown.element);
          shown.element.remove();
        }
        this.#sizes.observe(element);
        shown = { element, sign };
      }
      shown.element.setAttribute("aria-posinset", String(n + 1));
      shown.element.setAttribute("aria-setsize", String(rows.length));
      next.set(key, shown);
      this.#shown.delete(key);
      if (shown.element === place) place = place.nextElementSibling;
      else this.list.insertBefore(shown.element, place);
    }
    for (const { element } of this.#shown.values()) {
      // A row with the focus leaves the document: the view keeps the keyboard's place.
      if (element.contains(document.activeElement)) this.view.focus({ preventScroll: true });
      this.#sizes.unobserve(element);
      element.remove();
    }
    this.#shown = next;
    this.list.style.insetBlockStart = `${this.#layout.top(first)}px`;
  }

  /** True when a height was not as thought. */
  #measure() {
    let wrong = false;
    for (const [key, { element }] of this.#shown) {
      if (this.#layout.measured(key, element.getBoundingClientRect().height)) wrong = true;
    }
    return wrong;
  }
}
