// One line of a log: a message with all that belongs to it, or a quiet line.

import { h } from "../../kit/dom.js";
import { capital, clock, moment, size } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { linked, OUTSIDE, portray, said, time } from "../../kit/pieces.js";
import { called } from "../state/sessions.js";
import { fate } from "../state/transcript.js";
import { cameBy, FATES, lineOf, orderLine } from "../words.js";

/** @typedef {import("../../../types.js").Child} Child */
/**
 * What can be done from a line: send a part again; ask anew for a file whose address ran out; see a picture in full.
 * @typedef {{
 *   again: (part: V1.Delivery, button: HTMLElement) => void,
 *   stale: (entry: V1.Entry, element: HTMLElement) => void,
 *   open: (part: V1.Media) => void,
 * }} Actions
 */
/**
 * A message and what it depends on. `lead`: the first of a run by one speaker; `cameBy`: its referral is news.
 * @typedef {{
 *   entry: V1.Entry, side: "mine" | "rep" | "customer", lead: boolean, cameBy: boolean, reactions: string[],
 *   replyTo: V1.Entry | null,
 * }} Message
 */

const TROUBLES = ["failed", "unknown", "skipped"];

/**
 * A day's heading, or where the unread ones begin.
 * @param {"day" | "new"} kind
 * @param {string} words
 */
export const headLine = (kind, words) => h(`li.line.${kind}`, h("span", words));

/** @type {(entry: V1.Entry, name: (id: string) => string) => HTMLElement} */
export function quietLine(entry, name) {
  const { kind, at, text, details } = entry;
  const reason = kind === "notice" && untold(entry);
  return h(
    `li.line.quiet.of-${kind}`,
    h("span", { dir: "auto" }, lineOf(entry, name)),
    " ",
    time(at),
    kind === "invited" && text && h("p.said-with-it", { dir: "auto" }, "“", linked(text), "”"),
    reason && h("span.trouble", icon("alert", 14), `Not sent to the customer: ${reason}`),
    details.warning && h("span.trouble", icon("alert", 14), String(details.warning)),
  );
}

/**
 * Why the customer was not told of what a notice says; null: they were.
 * @param {V1.Entry} entry
 */
function untold(entry) {
  const { skipped } = entry.details;
  if (skipped) return skipped === true ? FATES.skipped[0] : String(skipped);
  const worst = fate(entry);
  return worst && TROUBLES.includes(worst.status) ? (worst.reason ?? FATES[worst.status][0]) : null;
}

/** @type {(message: Message, actions: Actions) => HTMLElement} */
export function messageLine({ entry, side, lead, reactions, replyTo, cameBy: news }, actions) {
  const { from, details, referral } = entry;
  const ours = side !== "customer";
  const name = from ? called(from) : "Unknown";
  return h(
    `li.line.message.${side}${lead ? ".lead" : ""}`,
    { "data-number": entry.number },
    // Of a story the message itself says so.
    news && referral && referral.source !== "story" && came(referral),
    lead && portray(h("span.avatar.small"), from ? name : "?", from?.id ?? ""),
    h(
      lead ? "p.speaker" : "p.speaker.unseen",
      h("span", { dir: "auto" }, name),
      side === "mine" && h("span.muted", " (you)"),
      from?.role === "bot" && tag("Bot"),
      details.outside && tag("Other tool"),
      details.standby && !ours && tag("To another app"),
    ),
    h(
      "div.bubble",
      details.forwarded && h("p.muted", details.forwarded === "often" ? "Forwarded many times" : "Forwarded"),
      replyTo && quote(replyTo),
      content(entry, actions),
      reactions.length > 0 && h("p.reactions", h("span.unseen", "Reactions: "), reactions.join(" ")),
    ),
    h(
      "p.meta",
      time(entry.at, clock(details.said_at ?? entry.at)),
      entry.edited && !entry.deleted && h("span", "edited"),
      ours && receipt(entry),
    ),
    ours && entry.delivery.map((part) => trouble(part, actions)),
  );
}

/** @param {string} words */
const tag = (words) => h("span.tag", words);

/** @param {V1.Entry} entry */
function quote({ deleted, text }) {
  const words = deleted ? "a message that was taken back" : (text ?? "a file");
  return h("p.quote", { dir: "auto" }, h("span.unseen", "In reply to: "), words);
}

/**
 * What the customer came by: other people's words, so they are text, and an address is only followed by a click.
 * @param {V1.Referral} referral
 */
function came(referral) {
  const { body, url, media_url: media } = referral;
  return h(
    "div.came",
    h("p", icon("link", 14), h("bdi", capital(cameBy(referral)))),
    body && h("p.came-body", { dir: "auto" }, body),
    (url || media) &&
      h(
        "p",
        url && h("a", { href: url, ...OUTSIDE }, URL.canParse(url) ? new URL(url).host : url),
        url && media && " · ",
        media && h("a", { href: media, ...OUTSIDE }, "its picture or video"),
      ),
  );
}

/** @param {V1.Entry} entry */
function receipt(entry) {
  const worst = fate(entry);
  if (!worst) return null;
  const { status, at } = worst;
  const [words, sign] = FATES[status] ?? [status, "clock"];
  return h(`span.receipt.${status}`, { title: moment(at) }, icon(sign, 14), words);
}

/**
 * A part that did not arrive, with the reason and what can be done; or that waits for another try, with why.
 * @type {(part: V1.Delivery, actions: Actions) => Child}
 */
function trouble(part, actions) {
  const { status, reason, outbox_id: id } = part;
  if (status === "queued" && reason) return h("div.trouble.waiting", h("p", { dir: "auto" }, reason));
  if (!TROUBLES.includes(status)) return null;
  const unsure = "The connection broke while this was being sent. If you send it again, the customer may see it twice.";
  return h(
    `div.trouble.${status}`,
    h("p", { dir: "auto" }, h("strong", FATES[status][0], ". "), reason ?? (status === "unknown" && unsure)),
    h(
      "button.button.small",
      { "data-focus": `again ${id}`, click: (event) => actions.again(part, event.currentTarget) },
      icon("redo", 14),
      "Send again",
    ),
  );
}

/**
 * What the rep sent and the server hasn't confirmed.
 * @param {import("../state/outbox.js").Item} item
 * @param {import("../state/outbox.js").Outbox} outbox
 */
export function unsentLine({ key, state, problem, text, file }, outbox) {
  const waits = {
    sending: "Sending …",
    held: "Not sent yet: waiting for the connection",
    refused: `Not sent: ${problem}`,
  };
  return h(
    `li.line.message.mine.unsent.${state}`,
    h("div.bubble", text && h("p.text", { dir: "auto" }, text), file && h("p.file", icon("file"), file.name)),
    h("p.meta", h("span", waits[state])),
    state === "refused" &&
      h(
        "div.trouble",
        h("button.button.small", { click: () => outbox.again(key) }, "Try again"),
        h("button.button.small", { click: () => outbox.discard(key) }, "Discard"),
      ),
  );
}

/**
 * The inside of a bubble.
 * @type {(entry: V1.Entry, actions: Actions) => Child}
 */
function content(entry, actions) {
  const { deleted, parts, text, from } = entry;
  if (deleted) return gone("Message deleted");
  if (!parts.length) return text && said(text);
  // A rep's text beside a file stands in the entry, not in the parts.
  const told =
    from?.role === "end_user" || parts.some((part) => part.type === "text" || ("caption" in part && part.caption));
  return [parts.map((part) => partOf(part, entry, actions)), !told && text && said(text)];
}

/** @param {string} words */
const gone = (words) => h("p.text.gone", { dir: "auto" }, words);

/** @type {(sign: string, ...children: Child[]) => Child} */
const place = (sign, ...children) => h("p.place", icon(sign), h("span", { dir: "auto" }, ...children));

/** @type {(part: V1.Entry["parts"][number], entry: V1.Entry, actions: Actions) => Child} */
function partOf(part, entry, actions) {
  switch (part.type) {
    case "text":
      return said(part.text);
    case "media":
      return [media(part, entry, actions), part.caption && said(part.caption)];
    case "location":
      return location(part);
    case "contact": {
      const { name, organisation, phones = [], emails = [], addresses = [], urls = [] } = part;
      const known = [name, organisation, ...phones, ...emails, ...addresses, ...urls];
      return place("contact", linked(known.filter(Boolean).join(", ")));
    }
    case "choice":
      return choice(part);
    case "sticker":
      if (part.media?.url) return media(part.media, entry, actions, part.text || "Sticker");
      return place("sticker", part.text ? `Sticker: ${part.text}` : "Sticker");
    case "product": {
      const { title, price, retailer_id: id, product_id: other } = part;
      const name = h("strong", title ?? id ?? other ?? "?");
      return place("tag", "Product: ", name, price && `, ${price}`, title && id && ` (${id})`);
    }
    case "order": {
      const { items = [], note } = part;
      const lines = items.map((item) => h("li", { dir: "auto" }, orderLine(item)));
      const list = lines.length ? h("ul", lines) : h("p.muted", "Nothing in it");
      return h("div.order", place("tag", "Order"), list, note && said(note));
    }
    case "call":
      return place("phone", "Missed call from the customer");
    case "unknown":
      return gone(part.fallback);
    default:
      return gone("(something this desk can't show)");
  }
}

/**
 * A map is a stranger's page: a link says where it leads, and is only followed by a click.
 * @param {V1.LocationPart} part
 */
function location({ latitude, longitude, name, address }) {
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  const words = [name, address].filter(Boolean).join(", ");
  const given = { href, target: "_blank", rel: "noopener noreferrer" };
  const link = h("a", given, `Map: ${latitude.toFixed(6)}, ${longitude.toFixed(6)}`);
  return place("pin", words && h("span", { dir: "auto" }, words, " "), link);
}

/** @param {V1.ChoicePart} part */
function choice({ title, description, fields = {} }) {
  const answers = Object.entries(fields).map(([key, value]) => [
    h("dt", key),
    h("dd", { dir: "auto" }, typeof value === "string" ? value : JSON.stringify(value)),
  ]);
  return h(
    "div.choice",
    h("p.text", { dir: "auto" }, tag("Chose"), " ", title),
    description && h("p.muted", { dir: "auto" }, description),
    answers.length > 0 && h("dl", answers),
  );
}

const MEDIA = { image: "Picture", video: "Video", audio: "Sound", voice: "Voice message", file: "File" };

/**
 * A file; `words` say what a picture is.
 * @type {(part: V1.Media, entry: V1.Entry, actions: Actions, words?: string) => Child}
 */
function media(part, entry, actions, words) {
  const { media: kind, state, url: src, reason, size_bytes: bytes } = part;
  const name = part.name || MEDIA[kind];
  if (state === "pending") return h("p.file.pending", icon("clock"), `${name}: being fetched …`);
  if (state === "failed" || !src)
    return h("p.file.failed", icon("alert"), `${name}: ${reason || "could not be fetched"}`);
  /**
   * A signed address runs out: asked for anew once, then shown as a file that can't be opened.
   * @param {{currentTarget: HTMLElement}} event
   */
  const error = ({ currentTarget }) => actions.stale(entry, currentTarget);
  if (kind === "image") {
    const alt = words || part.caption || name;
    const picture = h("img", { src, alt, loading: "lazy", decoding: "async", error });
    return h("button.picture", { "aria-label": `Open ${words || name}`, click: () => actions.open(part) }, picture);
  }
  if (kind !== "file") {
    const player = kind === "video" ? "video" : "audio";
    return h(player, { src, controls: true, preload: "metadata", "aria-label": name, error });
  }
  const link = { href: src, download: name, rel: "noopener" };
  return h(
    "a.file",
    link,
    icon("download"),
    h("span", { dir: "auto" }, name),
    bytes !== null && h("span.muted", size(bytes)),
  );
}
