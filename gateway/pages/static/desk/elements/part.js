// What all parts of the desk have in common: they follow what the desk knows for as long as they are in the page.

export class Part extends HTMLElement {
  /** @type {(() => void)[]} */
  #ends = [];

  /** @param {import("../state/desk.js").Desk} desk */
  constructor(desk) {
    super();
    this.desk = desk;
  }

  disconnectedCallback() {
    for (const end of this.#ends.splice(0)) end();
  }

  /**
   * Render now, and soon after any of the topics changed.
   * @param {import("../state/watchers.js").Topic[]} topics
   * @param {() => void} render
   */
  follow(topics, render) {
    this.#ends.push(this.desk.watch(topics, render));
    render();
  }

  /** @type {(milliseconds: number, work: () => void) => void} */
  every(milliseconds, work) {
    const timer = setInterval(work, milliseconds);
    this.#ends.push(() => clearInterval(timer));
  }

  /** @type {(target: EventTarget, type: string, listener: () => void) => void} */
  listen(target, type, listener) {
    target.addEventListener(type, listener);
    this.#ends.push(() => target.removeEventListener(type, listener));
  }
}
