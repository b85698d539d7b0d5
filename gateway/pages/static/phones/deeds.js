// What a customer can do beside writing, and which capability of the channel says so.

/** @typedef {import("../../types.js").Deed} Deed */

/** @type {Deed[]} */
export const DEEDS = [
  { kind: "typing", words: "Type", needs: ["typing"] },
  { kind: "read", words: "Read", needs: ["receipt"] },
  {
    kind: "location",
    words: "Send a place",
    needs: ["message.location"],
    give: () => ({
      details: {
        latitude: 53.5413,
        longitude: 9.9842,
        name: "Elbphilharmonie",
        address: "Platz der Deutschen Einheit 4, Hamburg",
      },
    }),
  },
  {
    kind: "contact",
    words: "Send a contact",
    needs: ["message.contact"],
    give: () => ({ details: { name: "Leo Paz", phones: ["+34 600 000 000"] } }),
  },
  { kind: "sticker", words: "Send a sticker", needs: ["message.sticker"] },
  {
    kind: "choose",
    words: "Choose an answer",
    needs: ["message.choice"],
    give: () => ({ text: "Yes, please", details: { id: "yes", title: "Yes, please" } }),
  },
  {
    kind: "say",
    words: "Write about an ad",
    needs: [],
    kinds: ["whatsapp", "messenger", "instagram"],
    give: (channel) => ({
      text: "Is this still on?",
      details: { referral: channel.kind === "whatsapp" ? META_AD : PAGE_AD },
    }),
  },
  {
    kind: "say",
    words: "Ask about a product",
    needs: [],
    kinds: ["whatsapp"],
    give: () => ({
      text: "Do you have this in red?",
      details: { product: { catalog_id: "35416", product_retailer_id: "LAMP-17" } },
    }),
  },
  {
    kind: "say",
    words: "Send a product",
    needs: ["message.product"],
    give: () => ({
      text: "Do you have this in red?",
      details: { products: [{ id: "4711", retailer_id: "LAMP-17", title: "Desk lamp", subtitle: "$40" }] },
    }),
  },
  {
    kind: "say",
    words: "Send an order",
    needs: ["message.order"],
    kinds: ["whatsapp"],
    give: () => ({
      details: {
        order: {
          catalog_id: "35416",
          text: "As a gift, please",
          product_items: [{ product_retailer_id: "LAMP-17", quantity: 2, item_price: 40, currency: "USD" }],
        },
      },
    }),
  },
  {
    kind: "choose",
    words: "Allow calls",
    needs: ["message.call"],
    give: () => ({ details: { form: "call_permission", id: "accept", title: "Allow" } }),
  },
  {
    kind: "say",
    words: "Call and hang up",
    needs: ["message.call"],
    give: () => ({ details: { event: "missed_call" } }),
  },
  { kind: "say", words: "A bot answers", needs: ["handover"], give: () => ({ details: { owner: "bot" } }) },
  {
    kind: "say",
    words: "The bot hands over",
    needs: ["handover"],
    give: () => ({ details: { owner: "us", metadata: "The customer wants to speak to a person" } }),
  },
];

// Ads as Meta tells of them: on WhatsApp, and on Messenger and Instagram.
const META_AD = {
  source_url: "https://fb.me/3cr4Wq",
  source_id: "120208",
  source_type: "ad",
  headline: "20 % off all lamps",
  body: "Only this week",
  media_type: "image",
  image_url: "https://shop.example/lamp.jpg",
  ctwa_clid: "ARAkL",
};
const PAGE_AD = {
  ref: "spring",
  ad_id: "238400",
  source: "ADS",
  type: "OPEN_THREAD",
  ads_context_data: { ad_title: "20 % off all lamps", photo_url: "https://shop.example/lamp.jpg", post_id: "1" },
};

/**
 * No capability tells who may misbehave: the simulated provider says so, with the reason why not.
 * @type {Deed[]}
 */
export const MISCHIEF = [
  { kind: "twice", words: "Send twice", needs: [] },
  { kind: "offline", words: "Go offline", needs: [] },
  { kind: "online", words: "Come online", needs: [] },
  { kind: "block", words: "Block", needs: [] },
  { kind: "unblock", words: "Unblock", needs: [] },
  { kind: "stop", words: "Opt out (STOP)", needs: ["ended"], kinds: ["sms"] },
  { kind: "end", words: "End the chat", needs: [] },
];

/** @type {Deed[]} */
export const ON_A_LINE = [
  { kind: "react", words: "Thumbs up", needs: ["reaction"], give: () => ({ text: "👍", details: { emoji: "👍" } }) },
  { kind: "edit", words: "Edit", needs: ["edit"], mine: true },
  { kind: "unsend", words: "Take back", needs: ["deletion"], mine: true },
];

/**
 * Those of the deeds that the channel says it can.
 * @type {(deeds: Deed[], channel: import("../../types.js").Channel) => Deed[]}
 */
export const possible = (deeds, channel) =>
  deeds.filter(
    ({ needs, kinds }) =>
      (!needs.length || needs.some((need) => channel.capabilities.includes(need))) &&
      (!kinds || kinds.includes(channel.kind)),
  );
