// One line of a log: a message with all that belongs to it, or a quiet line.

import { h } from "../../kit/dom.js";
import { clock, hue, initials, moment, size } from "../../kit/format.js";
import { icon } from "../../kit/icons.js";
import { linked } from "../../kit/text.js";
import { called, fate } from "../reading.js";
import { cameBy, capital, FATES, lineOf } from "../words.js";

/** A day's heading. */
export const dayLine = (words) => h("li.line.day", h("span", words));

/** Where the unread ones begin. */
export const newLine = () => h("li.line.new", h("span", "New"));

export const quietLine = (entry, name) => {
  const trouble = entry.kind === "notice" && troubled(entry);
  const warning = entry.details?.warning;
  return h(
    `li.line.quiet.of-${entry.kind}`,
    h("span", { dir: "auto" }, lineOf(entry, name)),
    " ",
    h("time", { datetime: entry.at, title: moment(entry.at) }, clock(entry.at)),
    entry.kind === "invited" && entry.text && h("p.said-with-it", { dir: "auto" }, "“", linked(entry.text), "”"),
    trouble && h("span.trouble", icon("alert", 14), `Not sent to the customer: ${trouble.reason ?? FATES[trouble.status][0]}`),
    warning && h("span.trouble", icon("alert", 14), String(warning)),
  );
};

function troubled(entry) {
  if (entry.details?.skipped)
    return { status: "skipped", reason: entry.details.skipped === true ? null : String(entry.details.skipped) };
  const worst = fate(entry);
  return worst && ["failed", "skipped", "unknown"].includes(worst.status) ? worst : null;
}

/**
 * A message. `side`: "mine", "rep" or "customer"; `lead`: the first of a run by one speaker; `reactions`: emojis on
 * it.
 */
export function messageLine({ entry, side, lead, reactions, replyTo, cameBy: shown }, actions) {
  const { from } = entry;
  const bubble = h(
    "div.bubble",
    entry.details?.forwarded &&
      h("p.muted", entry.details.forwarded === "often" ? "Forwarded many times" : "Forwarded"),
    replyTo &&
      h(
        "p.quote",
        { dir: "auto" },
        h("span.unseen", "In reply to: "),
        replyTo.deleted ? "a message that was taken back" : (replyTo.text ?? "a file"),
      ),
    content(entry, actions),
    reactions?.length > 0 && h("p.reactions", h("span.unseen", "Reactions: "), reactions.join(" ")),
  );
  return h(
    `li.line.message.${side}${lead ? " lead" : ""}`,
    { "data-number": entry.number },
    // Of a story the message itself says so.
    shown && entry.referral.source !== "story" && came(entry.referral),
    lead && avatar(from),
    h(
      "p",
      { class: lead ? "speaker" : "speaker unseen" },
      h("span", { dir: "auto" }, from ? called(from) : "Unknown"),
      side === "mine" && h("span.muted", " (you)"),
      from?.role === "bot" && h("span.tag", "Bot"),
      entry.details?.outside && h("span.tag", "Other tool"),
      entry.details?.standby && side === "customer" && h("span.tag", "To another app"),
    ),
    bubble,
    h(
      "p.meta",
      h("time", { datetime: entry.at, title: moment(entry.at) }, clock(entry.details?.said_at ?? entry.at)),
      entry.edited && !entry.deleted && h("span", "edited"),
      side !== "customer" && receipt(entry),
    ),
    side !== "customer" && trouble(entry, actions),
  );
}

// What the customer came by: other people's words, so they are text, and an address is only followed by a click.
function came(referral) {
  const outside = { target: "_blank", rel: "noopener noreferrer nofollow" };
  return h(
    "div.came",
    h("p", icon("link", 14), h("bdi", capital(cameBy(referral)))),
    referral.body && h("p.came-body", { dir: "auto" }, referral.body),
    (referral.url || referral.media_url) &&
      h(
        "p",
        referral.url && h("a", { href: referral.url, ...outside }, host(referral.url)),
        referral.url && referral.media_url && " · ",
        referral.media_url && h("a", { href: referral.media_url, ...outside }, "its picture or video"),
      ),
  );
}

const host = (address) => (URL.canParse(address) ? new URL(address).host : address);

function avatar(from) {
  const face = h("span.avatar.small", { "aria-hidden": "true" }, initials(from ? called(from) : "?"));
  face.style.setProperty("--hue", hue(from?.id ?? ""));
  return face;
}

function receipt(entry) {
  const worst = fate(entry);
  if (!worst) return null;
  const [words, sign] = FATES[worst.status] ?? [worst.status, "clock"];
  return h(`span.receipt.${worst.status}`, { title: moment(worst.at) }, icon(sign, 14), words);
}

// Each part that did not arrive, with the reason and what can be done; or that waits for another try, with why.
function trouble(entry, actions) {
  const bad = (entry.delivery ?? []).filter(({ status }) => ["failed", "unknown", "skipped"].includes(status));
  const waiting = (entry.delivery ?? []).filter(({ status, reason }) => status === "queued" && reason);
  const patience = waiting.map((part) => h("div.trouble.waiting", h("p", { dir: "auto" }, part.reason)));
  return patience.concat(
    bad.map((part) =>
      h(
        `div.trouble.${part.status}`,
        h(
          "p",
          { dir: "auto" },
          h("strong", FATES[part.status][0], ". "),
          part.reason ??
            (part.status === "unknown"
              ? "The connection broke while this was being sent. If you send it again, the customer may see it twice."
              : ""),
        ),
        actions.again &&
          h(
            "button.button.small",
            { "data-focus": `again ${part.outbox_id}`, click: (event) => actions.again(part, event.currentTarget) },
            icon("redo", 14),
            "Send again",
          ),
      ),
    ),
  );
}

/** What the rep sent and the server hasn't confirmed. */
export function unsentLine(item, actions) {
  const words = {
    sending: "Sending …",
    held: "Not sent yet: waiting for the connection",
    refused: `Not sent: ${item.problem}`,
  }[item.state];
  return h(
    `li.line.message.mine.unsent.${item.state}`,
    h(
      "div.bubble",
      item.text && h("p.text", { dir: "auto" }, item.text),
      item.file && h("p.file", icon("file"), item.file.name),
    ),
    h("p.meta", h("span", words)),
    item.state === "refused" &&
      h(
        "div.trouble",
        h("button.button.small", { click: () => actions.again(item.key) }, "Try again"),
        h("button.button.small", { click: () => actions.discard(item.key) }, "Discard"),
      ),
  );
}

/** The inside of a bubble. */
export function content(entry, actions) {
  if (entry.deleted) return h("p.text.gone", "Message deleted");
  const parts = entry.parts?.length ? entry.parts : entry.text ? [{ type: "text", text: entry.text }] : [];
  const shown = parts.map(
    (part) => PARTS[part.type]?.(part, actions, entry) ?? h("p.text.gone", "(something this desk can't show)"),
  );
  // A rep's text beside a file stands in the entry, not in the parts.
  const told = parts.some((part) => part.type === "text" || part.caption);
  return [
    shown,
    !told &&
      entry.parts?.length > 0 &&
      entry.from?.role !== "end_user" &&
      entry.text &&
      h("p.text", { dir: "auto" }, linked(entry.text)),
  ];
}

const PARTS = {
  text: ({ text }) => h("p.text", { dir: "auto" }, linked(text)),
  media: (part, actions, entry) => [
    media(part, actions, entry),
    part.caption && h("p.text", { dir: "auto" }, linked(part.caption)),
  ],
  // A map is a stranger's page: a link says where it leads, and is only followed by a click.
  location: ({ latitude, longitude, name, address }) =>
    h(
      "p.place",
      icon("pin"),
      h(
        "span",
        (name || address) && h("span", { dir: "auto" }, [name, address].filter(Boolean).join(", "), " "),
        h(
          "a",
          {
            href: `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`,
            target: "_blank",
            rel: "noopener noreferrer",
          },
          `Map: ${latitude.toFixed(6)}, ${longitude.toFixed(6)}`,
        ),
      ),
    ),
  contact: ({ name, phones, emails, organisation, addresses, urls }) =>
    h(
      "p.place",
      icon("contact"),
      h(
        "span",
        { dir: "auto" },
        linked(
          [name, organisation, ...(phones ?? []), ...(emails ?? []), ...(addresses ?? []), ...(urls ?? [])]
            .filter(Boolean)
            .join(", "),
        ),
      ),
    ),
  choice: ({ title, description, fields }) =>
    h(
      "div.choice",
      h("p.text", { dir: "auto" }, h("span.tag", "Chose"), " ", title),
      description && h("p.muted", { dir: "auto" }, description),
      Object.keys(fields ?? {}).length > 0 &&
        h(
          "dl",
          Object.entries(fields).map(([key, value]) => [
            h("dt", key),
            h("dd", { dir: "auto" }, typeof value === "string" ? value : JSON.stringify(value)),
          ]),
        ),
    ),
  sticker: (part, actions, entry) =>
    part.media?.url
      ? media(part.media, actions, entry, part.text || "Sticker")
      : h("p.place", icon("sticker"), part.text ? `Sticker: ${part.text}` : "Sticker"),
  product: ({ title, price, retailer_id, product_id }) =>
    h(
      "p.place",
      icon("tag"),
      h(
        "span",
        { dir: "auto" },
        ["Product: ", h("strong", title ?? retailer_id ?? product_id ?? "?")],
        price && `, ${price}`,
        title && retailer_id && ` (${retailer_id})`,
      ),
    ),
  order: ({ items, note }) =>
    h(
      "div.order",
      h("p.place", icon("tag"), "Order"),
      items.length > 0
        ? h(
            "ul",
            items.map((item) => h("li", { dir: "auto" }, orderLine(item))),
          )
        : h("p.muted", "Nothing in it"),
      note && h("p.text", { dir: "auto" }, linked(note)),
    ),
  call: () => h("p.place", icon("phone"), "Missed call from the customer"),
  unknown: ({ fallback }) => h("p.text.gone", { dir: "auto" }, fallback),
};

function orderLine({ title, retailer_id, product_id, quantity, price, currency }) {
  const known = title && retailer_id ? ` (${retailer_id})` : "";
  const cost = price ? ` at ${price} ${currency ?? ""}`.trimEnd() : "";
  return `${quantity ?? "?"} × ${title ?? retailer_id ?? product_id ?? "?"}${known}${cost}`;
}

function media(part, actions, entry, words) {
  const name =
    part.name || { image: "Picture", video: "Video", audio: "Sound", voice: "Voice message", file: "File" }[part.media];
  if (part.state === "pending") return h("p.file.pending", icon("clock"), `${name}: being fetched …`);
  if (part.state === "failed" || !part.url)
    return h("p.file.failed", icon("alert"), `${name}: ${part.reason || "could not be fetched"}`);
  // A signed address runs out: asked for anew once, then shown as a file that can't be opened.
  const stale = (event) => actions.stale?.(entry, event.currentTarget);
  if (part.media === "image") {
    const picture = h("img", {
      src: part.url,
      alt: words || part.caption || name,
      loading: "lazy",
      decoding: "async",
      error: stale,
    });
    return h("button.picture", { "aria-label": `Open ${words || name}`, click: () => actions.open?.(part) }, picture);
  }
  if (part.media === "video")
    return h("video", { src: part.url, controls: true, preload: "metadata", "aria-label": name, error: stale });
  if (part.media === "audio" || part.media === "voice")
    return h("audio", { src: part.url, controls: true, preload: "metadata", "aria-label": name, error: stale });
  return h(
    "a.file",
    { href: part.url, download: name, rel: "noopener" },
    icon("download"),
    h("span", { dir: "auto" }, name),
    part.size_bytes != null && h("span.muted", size(part.size_bytes)),
  );
}
