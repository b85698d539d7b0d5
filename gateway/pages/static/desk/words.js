// The desk's words for states and entries.

import { capital } from "../kit/format.js";

export const STATUSES = [
  ["online", "Online"],
  ["online_voice", "Online, voice only"],
  ["busy", "Busy"],
  ["away", "Away"],
  ["offline", "Offline"],
];

/** @type {{[group: string]: string}} */
export const GROUP_TITLES = {
  flagged: "Flagged",
  mine: "My conversations",
  waiting: "Waiting",
  others: "Other conversations",
  found: "Found",
};

export const SESSION_STATES = { waiting: "Waiting for a rep", active: "Active", inactive: "Inactive", ended: "Ended" };

/**
 * How a message to the customer fares: words, and a sign.
 * @type {{[status: string]: [words: string, sign: string]}}
 */
export const FATES = {
  queued: ["Queued", "clock"],
  sending: ["Sending", "clock"],
  sent: ["Sent", "check"],
  delivered: ["Delivered", "checks"],
  read: ["Read", "checks"],
  failed: ["Not delivered", "alert"],
  skipped: ["Not sent", "alert"],
  unknown: ["Perhaps not delivered", "alert"],
};

/** @type {{[reason: string]: string}} */
const ENDINGS = {
  end_user: "The customer ended the conversation",
  ended: "The customer ended the conversation",
  closed: "The customer closed the conversation",
  blocked: "The customer blocked us",
  opted_out: "The customer opted out",
  channel_moved: "Ended: the channel now belongs to another organisation",
  channel_kind_changed: "Ended: the channel's kind has changed",
};

/** @type {{[reason: string]: string}} */
const LEAVINGS = { disconnected: " (connection lost)", rep_removed: " (no longer in the organisation)" };
/**
 * Why a request was withdrawn, where it wasn't the inviter's wish.
 * @type {{[reason: string]: string}}
 */
const WITHDRAWN = {
  unavailable: ": nobody asked is online any more",
  inviter_left: ": who asked has left",
  inactive: ": the conversation is inactive",
};

/** @typedef {(id: string) => string} Name gives names for ids */

/**
 * A quiet line's text for an entry that is no message; null: it stands nowhere in the log.
 * @type {(entry: V1.Entry, name: Name) => string | null}
 */
export function lineOf(entry, name) {
  const { from, details: d, text, referral } = entry;
  const who = from?.name ?? "The system";
  switch (entry.kind) {
    case "participant_joined":
      return `${d.participant?.name ?? who} joined`;
    case "participant_left":
      return `${d.participant?.name ?? who} left${LEAVINGS[d.reason] ?? ""}`;
    case "invited":
      return d.purpose === "transfer"
        ? `${who} asked ${recipient(d, name)} to take over`
        : `${who} invited ${recipient(d, name)}`;
    case "invitation_expired":
      return `${recipient(d, name)} didn't answer the invitation`;
    case "invitation_withdrawn":
      return withdrawn(d, name);
    case "transferred":
      return transferred(d, who, name);
    case "notice":
      return `Told the customer: “${text ?? ""}”`;
    case "status_changed":
      return changed(d, name);
    case "flag_raised":
      return `${who} raised a flag`;
    case "flag_lowered":
      return `${who} lowered the flag`;
    case "message_edited":
    case "message_deleted":
    case "reaction":
      // Of a message that is here, it is shown with it.
      return d.number ? null : `${who} ${UNSEEN_DEEDS[entry.kind]}${d.emoji ? ` ${d.emoji}` : ""}`;
    case "referral":
      return referral ? `${who} ${cameBy(referral)}` : text;
    case "handover":
      return handedOver(text, d);
    case "message":
    case "whisper":
      return null;
    default:
      return text || null;
  }
}

const UNSEEN_DEEDS = {
  message_edited: "edited a message",
  message_deleted: "took a message back",
  reaction: "reacted",
};

const BY = {
  ad: "came by an ad",
  post: "came by a post",
  link: "came by a link",
  product: "asks about a product",
  story: "answers your story",
  optin: "agreed to be written to",
  page: "writes from the page",
  other: "came from elsewhere",
};

/**
 * `came by an ad: 20 % off`: what brought the customer, after their name.
 * @param {V1.Referral} referral
 */
export function cameBy({ source, headline, ref, group, product, url, id }) {
  const about = [headline ?? ref ?? (source === "story" || product ? null : (url ?? id)), group, product?.id]
    .filter(Boolean)
    .join(" · ");
  return `${BY[source]}${about ? `: ${about}` : ""}`;
}

/** @type {(text: string | null, details: {[name: string]: any}) => string} */
function handedOver(text, { change, app, app_id, may_answer, left_out }) {
  const other = app ?? (app_id ? `another app (${app_id})` : "another app");
  const told = text ? `: “${text}”` : "";
  const back = may_answer ? "; your next answer takes the conversation back" : "";
  /** @type {{[change: string]: string}} */
  const words = {
    to_us: `${other} handed the conversation to us${told}`,
    away: `${other} answers the customer now${told}${back}`,
    requested: `${other} asks for this conversation${told}`,
  };
  const lost = left_out ? ` (${left_out} earlier messages weren't kept)` : "";
  return capital(words[change] ?? `${other}${told}`) + lost;
}

/** @type {(details: {[name: string]: any}, name: Name) => string} */
function withdrawn({ purpose, reason, ...details }, name) {
  const request = purpose === "transfer" ? "transfer to" : "invitation of";
  return `The ${request} ${recipient(details, name)} was withdrawn${WITHDRAWN[reason] ?? ""}`;
}

/** @type {(details: {[name: string]: any}, who: string, name: Name) => string} */
function transferred({ from, to, ...details }, who, name) {
  const taker = to?.name ?? name(to) ?? recipient(details, name);
  return `${from?.name ?? name(from) ?? who} handed the conversation to ${taker}`;
}

/** @type {(details: {[name: string]: any}, name: Name) => string} */
function recipient(details, name) {
  const { type, id, name: called = name(id) } = details.recipient ?? {};
  return type === "agent" ? called : `the ${type ?? ""} ${called}`;
}

/** @type {(details: {[name: string]: any}, name: Name) => string | null} */
function changed({ from, to, reason, from_queue: fromQueue, to_queue: toQueue }, name) {
  if (reason === "queue_removed") {
    return `The queue ${name(fromQueue)} was removed: ${toQueue ? `now in ${name(toQueue)}` : "in no queue"}`;
  }
  if (reason === "queue_given") return `Now in the queue ${name(toQueue)}`;
  if (reason === "channel_removed") return "The channel was removed: nothing can be sent until it is back";
  if (reason === "channel_back") return `The channel is back${to === "active" ? "" : ": waiting for a rep"}`;
  // "Ana joined" says it.
  if (from === "waiting" && to === "active") return null;
  if (to === "ended") return ENDINGS[reason] ?? "Conversation ended";
  if (to === "waiting") return "Waiting for a rep";
  if (reason === "handed_over" && to === "inactive") return "Inactive until the conversation is handed back";
  if (to === "inactive") return "Inactive: nobody has written for a long time";
  return to === "active" ? "Active again" : `Now ${to}`;
}

/** @param {V1.OrderItem} item */
export function orderLine({ title, retailer_id: id, product_id: other, quantity, price, currency }) {
  const known = title && id ? ` (${id})` : "";
  const cost = price ? ` at ${price} ${currency ?? ""}`.trimEnd() : "";
  return `${quantity ?? "?"} × ${title ?? id ?? other ?? "?"}${known}${cost}`;
}

// What can be seen: as gateway/session/saying.py asks it too.
const SEEN = /[^\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\p{Cs}\u2800\u{1D159}\uFFF9-\uFFFB]/u;

/** What the rep is told of a text that can't be seen. */
export const UNSEEN = "This text has only invisible characters. Write letters, digits or an emoji.";

/**
 * Whether at least one character of the text can be seen.
 * @param {string} text
 */
export const saysSomething = (text) => SEEN.test(text);
