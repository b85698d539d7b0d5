// Samples of what API v1 answers: whole, and changed where a test says so.

export const AT = "2026-11-23T10:00:00Z";

/** @type {(number: number) => string} the nth second of a day */
export const second = (number) => new Date(Date.parse(AT) + number * 1000).toISOString();

/** @type {V1.Me} */
export const ANA = {
  login: "ana",
  name: "Ana",
  org: "acme",
  supervisor: false,
  kind: "human",
  avatar_url: null,
  permissions: [],
  licences: [],
  capacity: 3,
  presence: { status: "online", idle_since: null, connected: true },
};

/** @type {V1.Me} */
export const SAM = { ...ANA, login: "sam", name: "Sam", supervisor: true };

/** @type {V1.Actor} */
export const KIM = { role: "end_user", id: "+34600", name: "Kim" };

/** @type {(login: string) => V1.Participant} */
export const rep = (login) => ({ role: "rep", id: login, name: login.toUpperCase(), joined_at: AT });

/** @type {(id: string, changes?: Partial<V1.Session>) => V1.Session} */
export const session = (id, changes) => ({
  id,
  access: "full",
  can: { invite: { allowed: true, code: null, reason: null }, transfer: { allowed: true, code: null, reason: null } },
  channel_id: "sms",
  channel_type: "sms",
  channel_title: "SMS",
  status: "active",
  end_user: { id: KIM.id, name: KIM.name },
  participants: [{ ...KIM, joined_at: AT }],
  invitations: [],
  flag: null,
  flags: [],
  offer: null,
  queue: null,
  queue_name: null,
  locale: "en",
  conferenced: false,
  entry_count: 0,
  version: 1,
  opened_at: AT,
  last_message_at: null,
  last_inbound_at: null,
  ...changes,
});

/** @type {(number: number, changes?: Partial<V1.Entry>) => V1.Entry} */
export const entry = (number, changes) => ({
  number,
  kind: "message",
  visibility: "everyone",
  at: second(number),
  from: KIM,
  text: `line ${number}`,
  parts: [],
  referral: null,
  details: {},
  delivery: [],
  edited: false,
  deleted: false,
  ...changes,
});

/** @type {(id: string, changes?: Partial<V1.Invitation>) => V1.Invitation} */
export const invitation = (id, changes) => ({
  id,
  purpose: "invite",
  recipient: { type: "agent", id: "ana", name: "Ana" },
  from: "ben",
  from_name: "Ben",
  status: "open",
  created_at: AT,
  expires_at: second(60),
  asked: ["ana"],
  declined: [],
  note: null,
  warning: null,
  ...changes,
});

/** @type {(login: string, changes?: Partial<V1.Flag>) => V1.Flag} */
export const flag = (login, changes) => ({
  raised_by: login,
  raised_by_name: login.toUpperCase(),
  text: "help",
  raised_at: AT,
  ...changes,
});

/** @type {(rep: string, changes?: Partial<V1.Offer>) => V1.Offer} */
export const offer = (rep, changes) => ({
  rep,
  rep_name: rep,
  queue: null,
  queue_name: null,
  offered_at: AT,
  expires_at: second(30),
  ...changes,
});

/** @type {(items: V1.Entry[], remaining?: number) => V1.ListOfEntry} */
export const page = (items, remaining = 0) => ({ items, next: remaining ? "more" : null, remaining });

/** Let what has been promised happen. */
export async function settled() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
