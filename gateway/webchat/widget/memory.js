// What survives a reload: the visitor's token, what is not sent yet, whether the chat was open. It stands in the
// page's own storage, which no browser counts as a third party's. Where storage is forbidden, it lasts as long as the
// page.

export function memory(base, kind) {
  const key = `byoc-chat:${base}`;
  let kept = {};
  const storage = kind === "none" ? null : usable();
  return {
    read() {
      try {
        if (storage) kept = JSON.parse(storage.getItem(key)) || {};
      } catch {
        kept = {};
      }
      return kept;
    },
    write(changes) {
      kept = { ...this.read(), ...changes };
      try {
        storage?.setItem(key, JSON.stringify(kept));
      } catch {
        // Full or forbidden: this page still has it.
      }
    },
    forget() {
      kept = {};
      storage?.removeItem(key);
    },
  };
}

function usable() {
  try {
    localStorage.getItem("byoc-chat");
    return localStorage;
  } catch {
    return null;
  }
}
