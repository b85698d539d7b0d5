// What the checker must know of the pages beside their scripts; nothing of it is served.

interface ParentNode {
  // Whatever our pages look for is an HTML element.
  querySelector(selectors: string): HTMLElement | null;
}

interface Window {
  /** Calls of the page that embeds the chat, before and after the widget is there; see docs/webchat.md. */
  byocChat?: { push(...calls: unknown[]): void } | unknown[];
}
