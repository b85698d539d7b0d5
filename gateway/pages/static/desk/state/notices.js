// What the rep is told beside the log: who declined, what was refused, what was withdrawn.

import { capital } from "../../kit/format.js";
import { recipientName } from "./names.js";

/**
 * `session`: above whose log it stands; null: wherever the rep is.
 * @typedef {{id: number, session: string | null, text: string, tone: "plain" | "warn" | "bad"}} Notice
 */

const KEPT = 20;

export class Notices {
  /** @type {Notice[]} */
  list = [];
  #number = 0;
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /**
   * @param {string | null} session
   * @param {string} text
   * @param {Notice["tone"]} tone
   */
  add(session, text, tone) {
    this.#number += 1;
    this.list = [...this.list, { id: this.#number, session, text, tone }].slice(-KEPT);
    this.#onChange();
  }

  /** @param {number} id */
  dismiss(id) {
    this.list = this.list.filter((notice) => notice.id !== id);
    this.#onChange();
  }
}

/** @typedef {V1.Invitation | undefined} Known */
/** @typedef {{id: string, name: string}} Person */

/** @type {(invitation: Known, event: {by: Person, all: boolean}) => string} */
export function declined(invitation, { by, all }) {
  const several = invitation && invitation.recipient.type !== "agent" ? invitation.recipient : null;
  const verb = invitation?.purpose === "transfer" ? "declined to take over" : "declined your invitation";
  const whom = several ? ` for ${recipientName(several)}` : "";
  return `${by.name} ${verb}${whom}.${several && !all ? " Others are still asked." : ""}`;
}

/** @type {(invitation: Known, event: {by: Person}) => string} */
export function unavailable(invitation, { by }) {
  const what = invitation?.purpose === "transfer" ? "transfer" : "invitation";
  return `${by.name} is no longer online: your ${what} was withdrawn. Ask somebody else.`;
}

/**
 * Said to those who were asked, who may no longer look it up: the event names whose request about whom it was. Null: no
 * word is needed.
 * @type {(event: {reason: string, from?: Person, customer?: {name: string}}) => string | null}
 */
export function closed({ reason, from, customer }) {
  const whose = from && customer ? `${from.name}’s request about ${customer.name}` : "the request";
  if (reason === "taken") return `Somebody else answered ${whose}.`;
  if (reason === "withdrawn") return `${capital(whose)} was withdrawn.`;
  if (reason === "unavailable") return `${capital(whose)} was withdrawn, because you aren’t online.`;
  return null;
}
