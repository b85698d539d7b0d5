// What scripts ask of the page around them, where there is none: its language, and a store that forgets.
class Store {
  /** @type {Map<string, string>} */
  #items = new Map();

  /** @param {string} key */
  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  /** @type {(key: string, value: string) => void} */
  setItem(key, value) {
    this.#items.set(key, String(value));
  }
}

Object.assign(globalThis, {
  document: { documentElement: { lang: "en" } },
  localStorage: new Store(),
  sessionStorage: new Store(),
  addEventListener: () => {},
  removeEventListener: () => {},
});
Object.defineProperty(globalThis, "navigator", {
  value: { languages: ["en-GB"], language: "en-GB" },
  configurable: true,
});
