// A long list of rows of unlike heights, of which only those near the view are in the document.
//
// Heights are guessed until a row has been drawn, and remembered afterwards. Whenever anything above the view changes
// (older rows come, a picture loads, a guess was wrong), the row that the reader looks at stays where it is: it is
// the anchor, and the scroll position follows it. At the end of the list the end is the anchor.
//
// The end is left only by the reader, and by the smallest move upwards. The browser reports the reader's moves, our
// own and those that a change of size forces all by the same event, so we remember where we put the view and how high
// it was: only an event that finds the view as high as it was and somewhere else is the reader's.

// In px, drawn above and below the view.
const BEYOND = 600;
// In px from the end at which a reader who moves down has arrived there.
const AT_END = 48;

export class Scroller {
  /** @type {HTMLElement} */
  view;
  /** @type {HTMLElement} */
  canvas;
  /** @type {HTMLElement} */
  list;
  /** @type {(row: any) => HTMLElement} */
  make;
  /** @type {(row: any) => number} */
  guess;
  /** @type {() => void} */
  onScroll;

  // {key, sign, …}
  rows = [];
  // In px, at the start that stand for rows that aren't here yet.
  lead = 0;
  atEnd = true;

  #heights = new Map();
  #tops = [0];
  #shown = new Map();
  #sizes;
  #frame = 0;
  // The view as we last left it.
  #left = { top: 0, height: 0 };

  /**
   * `view` scrolls; `list` holds the rows; `make(row)` draws one, `guess(row)` its height in px; `onScroll()` after
   * each move.
   */
  constructor({ view, canvas, list, make, guess, onScroll = () => {} }) {
    Object.assign(this, { view, canvas, list, make, guess, onScroll });
    this.#sizes = new ResizeObserver(() => this.#later());
    this.#sizes.observe(view);
    view.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  close() {
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /** Other rows, or other signs on them. */
  set(rows, lead) {
    const anchor = this.#anchor();
    this.rows = rows;
    this.lead = lead;
    this.#draw(anchor);
  }

  /** Forget everything: another list begins, at its end. */
  reset() {
    this.rows = [];
    this.lead = 0;
    this.#heights.clear();
    for (const { element } of this.#shown.values()) element.remove();
    this.#shown.clear();
    this.atEnd = true;
  }

  toEnd() {
    this.atEnd = true;
    this.#draw({ end: true });
  }

  /** Bring a row into view; false when there is none of that key. */
  show(key) {
    const place = this.rows.findIndex((row) => row.key === key);
    if (place < 0) return false;
    this.atEnd = false;
    this.#draw({ key, offset: 80 });
    return true;
  }

  /** Whether the lead, the part that isn't here yet, is in view or nearly. */
  get atLead() {
    return this.lead > 0 && this.view.scrollTop < this.lead + BEYOND;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.view;
    const moved = clientHeight === this.#left.height ? scrollTop - this.#left.top : 0;
    if (moved < -1) this.atEnd = false;
    else if (moved > 1) this.atEnd = scrollTop + clientHeight >= scrollHeight - AT_END;
    this.#draw(this.#anchor());
    this.onScroll();
  }

  #later() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw(this.#anchor()));
  }

  // What the reader looks at: the end, or the first row in view and how far below the view's top it begins. While the
  // lead fills the view, it is the first row that is here, so that what comes is put between.
  #anchor() {
    if (this.atEnd) return { end: true };
    const top = this.view.scrollTop;
    const place = this.#at(top);
    return this.rows[place]
      ? { key: this.rows[place].key, offset: this.lead + this.#tops[place] - top }
      : { end: true };
  }

  #height(row) {
    return this.#heights.get(row.key) ?? this.guess(row);
  }

  #layout() {
    const tops = new Array(this.rows.length + 1);
    tops[0] = 0;
    for (let n = 0; n < this.rows.length; n += 1) tops[n + 1] = tops[n] + this.#height(this.rows[n]);
    this.#tops = tops;
  }

  // The row at a scroll position.
  #at(position) {
    const wanted = position - this.lead;
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#tops[middle] <= wanted) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  #draw(anchor) {
    // Drawing tells true heights, which move the rows, which may bring others into view: it settles in two rounds or
    // three.
    for (let round = 0; round < 4; round += 1) {
      this.#layout();
      this.#place(anchor);
      this.#render();
      if (!this.#measure()) break;
    }
    this.#place(anchor);
  }

  #place(anchor) {
    const height = this.lead + this.#tops[this.rows.length];
    this.canvas.style.blockSize = `${height}px`;
    let top = height - this.view.clientHeight;
    if (!anchor.end) {
      const place = this.rows.findIndex((row) => row.key === anchor.key);
      top = place < 0 ? this.view.scrollTop : this.lead + this.#tops[place] - anchor.offset;
    }
    top = Math.max(0, top);
    if (Math.abs(this.view.scrollTop - top) > 0.5) this.view.scrollTop = top;
    this.#left = { top: this.view.scrollTop, height: this.view.clientHeight };
  }

  #render() {
    const { scrollTop, clientHeight } = this.view;
    const first = this.#at(scrollTop - BEYOND);
    const last = Math.min(this.rows.length, this.#at(scrollTop + clientHeight + BEYOND) + 1);
    const next = new Map();
    let place = this.list.firstElementChild;
    for (let n = first; n < last; n += 1) {
      const row = this.rows[n];
      let shown = this.#shown.get(row.key);
      if (!shown || shown.sign !== row.sign) {
        const element = this.make(row);
        if (shown) {
          if (shown.element === place) place = place.nextElementSibling;
          this.#sizes.unobserve(shown.element);
          shown.element.remove();
        }
        this.#sizes.observe(element);
        shown = { element, sign: row.sign };
      }
      shown.element.setAttribute("aria-posinset", n + 1);
      shown.element.setAttribute("aria-setsize", this.rows.length);
      next.set(row.key, shown);
      this.#shown.delete(row.key);
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
    this.list.style.insetBlockStart = `${this.lead + this.#tops[first]}px`;
  }

  // Gives true when a height was not as thought.
  #measure() {
    let wrong = false;
    for (const [key, { element }] of this.#shown) {
      const height = element.getBoundingClientRect().height;
      if (Math.abs((this.#heights.get(key) ?? -1) - height) > 0.5) {
        this.#heights.set(key, height);
        wrong = true;
      }
    }
    return wrong;
  }
}
