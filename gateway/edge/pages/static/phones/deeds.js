// What a customer can do beside writing, and which capability of the channel says so.

export const DEEDS = [
  { kind: "typing", words: "Type", needs: ["typing"] },
  { kind: "read", words: "Read", needs: ["receipt"] },
  { kind: "location", words: "Send a place", needs: ["message.location"], give: () => ({ details: { latitude: 53.5413, longitude: 9.9842, name: "Elbphilharmonie", address: "Platz der Deutschen Einheit 4, Hamburg" } }) },
  { kind: "contact", words: "Send a contact", needs: ["message.contact"], give: () => ({ details: { name: "Leo Paz", phones: ["+34 600 000 000"] } }) },
  { kind: "sticker", words: "Send a sticker", needs: ["message.sticker"] },
  { kind: "choose", words: "Choose an answer", needs: ["message.choice"], give: () => ({ text: "Yes, please", details: { id: "yes", title: "Yes, please" } }) },
];

// No capability tells who may misbehave: the simulated provider says so, with the reason why not.
export const MISCHIEF = [
  { kind: "twice", words: "Send twice", needs: [] },
  { kind: "offline", words: "Go offline", needs: [] },
  { kind: "online", words: "Come online", needs: [] },
  { kind: "block", words: "Block", needs: [] },
  { kind: "unblock", words: "Unblock", needs: [] },
  { kind: "stop", words: "Opt out (STOP)", needs: ["ended"], kinds: ["sms"] },
  { kind: "end", words: "End the chat", needs: [] },
];

export const ON_A_LINE = [
  { kind: "react", words: "Thumbs up", needs: ["reaction"], give: () => ({ text: "👍", details: { emoji: "👍" } }) },
  { kind: "edit", words: "Edit", needs: ["edit"], mine: true },
  { kind: "unsend", words: "Take back", needs: ["deletion"], mine: true },
];

/** Those of the deeds that the channel says it can. */
export const possible = (deeds, channel) =>
  deeds.filter(({ needs, kinds }) => (!needs.length || needs.some((need) => channel.capabilities.includes(need))) && (!kinds || kinds.includes(channel.kind)));
