// The demo's calls: what a customer does, and what their handset shows.

/** @typedef {import("../../types.js").Channel} Channel */
/** @typedef {import("../../types.js").PhoneLine} PhoneLine */
/** @typedef {{step: string, at: string, title: string, text: string}} Step */

/** The demo answered no; the message says why. */
export class Refused extends Error {
  /**
   * @param {number} status 0: there was no answer
   * @param {{detail?: string, title?: string} | null} body
   */
  constructor(status, body = null) {
    super(body?.detail || body?.title || (status ? `The demo answered ${status}.` : "The demo can't be reached."));
    this.status = status;
  }
}

/** @type {() => Promise<Channel[]>} */
export const channels = async () => (await call("GET", "/phones/channels")).items;

/** @type {(channel: string, customer: string) => Promise<PhoneLine[]>} */
export const messages = async (channel, customer) => (await call("GET", at(channel, "messages", { customer }))).items;

/**
 * Type a message; `times` delivers its webhook more than once, as a provider at times does.
 * @param {string} channel
 * @param {string} customer
 * @param {{text: string, file?: File, times?: number}} message
 */
export function say(channel, customer, { text, file, times }) {
  const details = times ? { times } : undefined;
  if (!file) return call("POST", at(channel, "messages"), { json: { customer, text, ...(details && { details }) } });
  const form = new FormData();
  form.append("customer", customer);
  if (text) form.append("text", text);
  form.append("file", file, file.name);
  return call("POST", at(channel, "messages"), { form });
}

/** @type {(channel: string, customer: string, action: object) => Promise<unknown>} */
export const act = (channel, customer, action) =>
  call("POST", at(channel, "actions"), { json: { customer, ...action } });

/**
 * What crossed the wire for a line; null where the demo doesn't tell.
 * @type {(channel: string, customer: string, line: string) => Promise<Step[] | null>}
 */
export async function wire(channel, customer, line) {
  try {
    return (await call("GET", at(channel, "wire", { customer, line }))).items;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** @type {(channel: string, what: string, query?: {[name: string]: string}) => string} */
const at = (channel, what, query) =>
  `/phones/${encodeURIComponent(channel)}/${what}${query ? `?${new URLSearchParams(query)}` : ""}`;

/**
 * @param {string} method
 * @param {string} path
 * @param {{json?: object, form?: FormData}} options
 * @returns {Promise<any>}
 */
async function call(method, path, { json, form } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: json ? { "Content-Type": "application/json" } : {},
      body: form || (json && JSON.stringify(json)),
      cache: "no-store",
    });
  } catch {
    throw new Refused(0);
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}
