// What the checker must know of the chat service beside the widget's scripts; not served. See gateway/webchat/shapes.py.

/** Somebody who speaks; a visitor has no name of their own. */
export type Speaker = { kind: "visitor" | "rep" | "bot" | "system"; name?: string | null; avatar?: string | null };

export type Choice = { id: string; title: string };

export type ChatFile = { url: string; name: string; mime_type: string; size_bytes: number };

/** A line of the conversation, numbered from 1. */
export type Line = {
  seq: number;
  type: string;
  at: string;
  from?: Speaker;
  client_id?: string | null;
  text?: string | null;
  file?: ChatFile | null;
  quick_replies?: Choice[];
  code?: string | null;
};

/** What comes by the stream: a line, or, without a number, something that is gone with the moment. */
export type Frame = Line & { visitor_token?: string; up_to_seq?: number; on?: boolean };

export type Field = { name: string; kind: string; label: string; required: boolean; options: string[] };

export type Config = {
  title: string;
  accent: string;
  welcome: string | null;
  prechat: Field[];
  starters: Choice[];
  max_text: number;
  max_file: number;
  file_types: string[];
};

export type Answers = { [name: string]: string | boolean };

/** What the visitor said and the service hasn't shown yet. */
export type Item = {
  client_id: string;
  at: string;
  status: "sending" | "sent" | "failed";
  text?: string;
  choice?: Choice;
  file?: File;
  shown?: boolean;
  told?: boolean;
  reason?: string;
  progress?: number;
  request?: XMLHttpRequest;
};

/** What the service made of a request. */
export type Answer = { status: number; code?: string | null; headers?: { get(name: string): string | null } };

export type Kept = { token?: string | null; queue?: Omit<Item, "status">[]; open?: boolean };

export type Memory = { read(): Kept; write(changes: Kept): void; forget(): void };

/** A token of the company's own server, or a function that fetches one. */
export type Identity = () => string | Promise<string>;

export type Words = (key: string, values?: { [name: string]: string | number }) => string;

type Tag<T extends string> = T extends `${infer Name}.${string}` ? Name : T;

/** The element that `h` makes of `"button.icon"`. */
export type Made<T extends string> =
  Tag<T> extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag<T>] : HTMLElement;

/** Attributes by name, and listeners by the name of their event. */
export type Props<E> = {
  [Type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Type] & { currentTarget: E }) => unknown;
} & { [name: string]: unknown };
