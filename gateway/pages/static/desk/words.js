// The desk's words for states and entries.

export const STATUSES = [
  ["online", "Online"],
  ["online_voice", "Online, voice only"],
  ["busy", "Busy"],
  ["away", "Away"],
  ["offline", "Offline"],
];

export const GROUP_TITLES = {
  flagged: "Flagged",
  mine: "My conversations",
  waiting: "Waiting",
  others: "Other conversations",
  found: "Found",
};

export const SESSION_STATES = { waiting: "Waiting for a rep", active: "Active", inactive: "Inactive", ended: "Ended" };

/** How a message to the customer fares: words, and a sign. */
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

export const TYPES = { agent: "Agent", queue: "Queue", flow: "Flow" };

const ENDINGS = {
  end_user: "The customer ended the conversation",
  ended: "The customer ended the conversation",
  closed: "The customer closed the conversation",
  blocked: "The customer blocked us",
  opted_out: "The customer opted out",
  channel_moved: "Ended: the channel now belongs to another organisation",
  channel_kind_changed: "Ended: the channel's kind has changed",
};

const LEAVINGS = { disconnected: " (connection lost)", rep_removed: " (no longer in the organisation)" };
// Why a request was withdrawn, where it wasn't the inviter's wish.
const WITHDRAWN = {
  unavailable: ": nobody asked is online any more",
  inviter_left: ": who asked has left",
  ended: "",
  inactive: ": the conversation is inactive",
};

/**
 * A quiet line's text for an entry that is no message; null: it stands nowhere in the log. `name` gives names for
 * ids.
 */
export function lineOf(entry, name) {
  const who = entry.from?.name ?? "The system";
  const d = entry.details ?? {};
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
      return `Told the customer: “${entry.text ?? ""}”`;
    case "status_changed":
      return changed(d, name);
    case "flag_raised":
      return `${who} raised a flag`;
    case "flag_lowered":
      return `${who} lowered the flag`;
    case "message_edited":
    case "message_deleted":
    case "reaction":
      return d.number
        ? null
        : {
            message_edited: `${who} edited a message`,
            message_deleted: `${who} took a message back`,
            reaction: `${who} reacted ${d.emoji ?? ""}`,
          }[entry.kind];
    case "referral":
      return entry.referral ? `${who} ${cameBy(entry.referral)}` : entry.text;
    case "handover":
      return handedOver(entry, d);
    case "message":
    case "whisper":
      return null;
    default:
      return entry.text || null;
  }
}

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

/** `came by an ad: 20 % off`: what brought the customer, after their name. */
export function cameBy({ source, headline, ref, group, product, url, id }) {
  const about = [headline ?? ref ?? (source === "story" || product ? null : (url ?? id)), group, product?.id]
    .filter(Boolean)
    .join(" · ");
  return `${BY[source] ?? BY.other}${about ? `: ${about}` : ""}`;
}

export const capital = (words) => `${words.charAt(0).toLocaleUpperCase()}${words.slice(1)}`;

function handedOver(entry, { change, app, app_id, may_answer, left_out }) {
  const other = app ?? (app_id ? `another app (${app_id})` : "another app");
  const told = entry.text ? `: “${entry.text}”` : "";
  const back = may_answer ? "; your next answer takes the conversation back" : "";
  const words =
    {
      to_us: `${other} handed the conversation to us${told}`,
      away: `${other} answers the customer now${told}${back}`,
      requested: `${other} asks for this conversation${told}`,
    }[change] ?? `${other}${told}`;
  return `${capital(words)}${left_out ? ` (${left_out} earlier messages weren't kept)` : ""}`;
}

function withdrawn({ purpose, reason, ...details }, name) {
  const request = purpose === "transfer" ? "transfer to" : "invitation of";
  return `The ${request} ${recipient(details, name)} was withdrawn${WITHDRAWN[reason] ?? ""}`;
}

function transferred({ from, to, ...details }, who, name) {
  const taker = to?.name ?? name(to) ?? recipient(details, name);
  return `${from?.name ?? name(from) ?? who} handed the conversation to ${taker}`;
}

function recipient(details, name) {
  const { type, id, name: called = name(id) } = details.recipient ?? {};
  return type === "agent" ? called : `the ${type ?? ""} ${called}`;
}

function changed({ from, to, reason, from_queue: fromQueue, to_queue: toQueue }, name) {
  if (reason === "queue_removed")
    return `The queue ${name(fromQueue)} was removed: ${toQueue ? `now in ${name(toQueue)}` : "in no queue"}`;
  if (reason === "queue_given") return `Now in the queue ${name(toQueue)}`;
  if (reason === "channel_removed") return "The channel was removed: nothing can be sent until it is back";
  if (reason === "channel_back")
    return to === "active" ? "The channel is back" : "The channel is back: waiting for a rep";
  if (from === "waiting" && to === "active") return null; // "Ana joined" says it
  if (to === "ended") return ENDINGS[reason] ?? "Conversation ended";
  if (to === "waiting") return "Waiting for a rep";
  if (to === "inactive")
    return reason === "handed_over"
      ? "Inactive until the conversation is handed back"
      : "Inactive: nobody has written for a long time";
  return to === "active" ? "Active again" : `Now ${to}`;
}

/** What to say when a call failed. */
export const sentence = (error) => error?.message || "That didn't work.";
