// What the checker must know of the pages beside their scripts; nothing of it is served.

/** What waits for a rep's answer: an invitation, or, without one, work that routing offers. */
export type Call = { key: string; session: V1.Session; expires_at: string; invitation?: V1.Invitation };

/** A company's sign-in, as `OidcLogin` in gateway/pages/__init__.py. */
export type Oidc = {
  authorization_endpoint: string;
  token_endpoint: string;
  client_id: string;
  scope: string;
  name: string;
};

/** What the server says of the page. */
export type Settings = { demo?: boolean; oidc?: Oidc | null };

type Tag<T extends string> = T extends `${infer Name}.${string}` ? Name : T;

/** The element that `h` makes of `"button.button.small"`. */
export type Made<T extends string> =
  Tag<T> extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag<T>] : HTMLElement;

/** What an element may hold: nothing for false, null and undefined. */
export type Child = Node | string | number | false | null | undefined | Child[];

/** Attributes by name, and listeners by the name of their event. */
export type Props<E> = {
  [Type in keyof HTMLElementEventMap]?: (
    event: HTMLElementEventMap[Type] & { currentTarget: E; target: Node },
  ) => unknown;
} & { [name: string]: unknown };

declare global {
  interface ParentNode {
    // Whatever our pages look for is an HTML element.
    querySelector(selectors: string): HTMLElement | null;
  }

  interface Window {
    /** Calls of the page that embeds the chat, before and after the widget is there; see docs/webchat.md. */
    byocChat?: { push(...calls: unknown[]): void } | unknown[];
  }
}

/** A channel of the phone wall. */
export type Channel = { id: string; kind: string; title: string; capabilities: string[] };

/** A line on a handset, as the demo tells it. */
export type PhoneLine = {
  id: string;
  from: "me" | "them";
  kind: string;
  at: string;
  text?: string | null;
  speaker?: string | null;
  status?: string | null;
  media?: { name?: string | null; mime_type?: string; url?: string | null } | null;
  deleted?: boolean;
  reaction?: string | null;
  choices?: (string | { title?: string })[];
};

/**
 * What a customer can do: `needs` any of these capabilities; only on channels of these `kinds`, and with lines that are
 * `mine`.
 */
export type Deed = {
  kind: string;
  words: string;
  needs: string[];
  kinds?: string[];
  mine?: boolean;
  give?: (channel: Channel) => { text?: string; details?: object };
};
