// What scripts ask of the page around them, where there is none: its language, and a store that forgets.
const kept = () => {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, String(value)),
    removeItem: (key) => void items.delete(key),
  };
};

Object.assign(globalThis, {
  document: { documentElement: { lang: "en" } },
  localStorage: kept(),
  sessionStorage: kept(),
  addEventListener: () => {},
  removeEventListener: () => {},
});
Object.defineProperty(globalThis, "navigator", {
  value: { languages: ["en-GB"], language: "en-GB" },
  configurable: true,
});
