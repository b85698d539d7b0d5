// Who wants to know when something changed. Watchers are told in batches, by topic, once for many changes.

/** @typedef {"me" | "connection" | "sessions" | "selection" | "log" | "notices"} Topic */

export class Watchers {
  /** @type {Map<Topic, Set<() => void>>} */
  #renders = new Map();
  /** @type {Set<Topic>} */
  #dirty = new Set();

  /**
   * Call `render` soon after any of the topics changed. Gives a function that ends it.
   * @param {Topic[]} topics
   * @param {() => void} render
   */
  watch(topics, render) {
    for (const topic of topics) this.#of(topic).add(render);
    return () => {
      for (const topic of topics) this.#of(topic).delete(render);
    };
  }

  /** @param {Topic[]} topics */
  changed(...topics) {
    if (!this.#dirty.size) queueMicrotask(() => this.#tell());
    for (const topic of topics) this.#dirty.add(topic);
  }

  #tell() {
    const renders = new Set([...this.#dirty].flatMap((topic) => [...this.#of(topic)]));
    this.#dirty.clear();
    for (const render of renders) {
      try {
        render();
      } catch (error) {
        // One broken part of the page must not silence the others.
        reportError(error);
      }
    }
  }

  /** @param {Topic} topic */
  #of(topic) {
    const known = this.#renders.get(topic) ?? new Set();
    this.#renders.set(topic, known);
    return known;
  }
}
