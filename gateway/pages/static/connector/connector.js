// What Salesforce's connector toolkit (`@salesforce/scv-connector-base`) asks of a partner, answered by the gateway.
// This file imports nothing, so that a bundle of one's own can have it as it is:
// see docs/salesforce-partner-routing.md.

const TYPES = ["AGENT", "QUEUE", "FLOW", "CONTACT", "DIRECTORY", "AVAILABLE"];
// The API takes no more.
const MOST = 50;
const MOST_LETTERS = 200;
/** What the rep says of themself in Salesforce, as the gateway calls it. @type {{[status: string]: string}} */
const PRESENCE = { ONLINE: "online", OFFLINE: "offline" };

/** @typedef {{contains?: string | null, limit?: number, offset?: number, types?: string[] | null}} ContactsFilter */
/** @typedef {{workItemId: string, workId: string, workEvent: string}} AgentWork */
/** @typedef {{[name: string]: any}} Toolkit the module; its classes check what they are given */

export class Connector {
  #base;
  #token;
  #toolkit;

  /**
   * `base`: the gateway's address, empty for the page's own. `token()` gives the rep's access token as it is now.
   * `toolkit`: where it is there, answers are made by its classes, which is what it insists on.
   * @param {{base?: string, token: () => string, toolkit?: Toolkit}} given
   */
  constructor({ base = "", token, toolkit = {} }) {
    this.#base = base;
    this.#token = token;
    this.#toolkit = toolkit;
  }

  /**
   * Whom the rep can name in Start Conference and Transfer. Raises Error, with a sentence for the rep.
   * @param {ContactsFilter | null | undefined} filter
   * @param {string} workItemId
   */
  async getContacts(filter, workItemId) {
    const { contains, limit, offset, types } = filter ?? {};
    const found = await this.#post("/salesforce/contacts", {
      work_item_id: workItemId,
      contains: (contains ?? "").slice(0, MOST_LETTERS),
      types: (types ?? []).map((type) => String(type).toUpperCase()).filter((type) => TYPES.includes(type)),
      offset: Math.max(0, Math.floor(offset ?? 0)),
      limit: Math.min(MOST, Math.max(1, Math.floor(limit ?? MOST))),
    });
    const contacts = found.contacts.map((/** @type {object} */ one) => this.#made("Contact", one));
    return this.#made("ContactsResult", { contacts, contactTypes: found.contactTypes });
  }

  /**
   * The rep was given work, or answered it.
   * @param {AgentWork} work
   */
  async onAgentWorkEvent({ workItemId, workId, workEvent }) {
    await this.#post("/salesforce/work", { work_item_id: workItemId, work_id: workId, work_event: workEvent });
  }

  /** What the toolkit may ask of this connector. */
  async getSharedCapabilities() {
    return this.#made("SharedCapabilitiesResult", {
      hasContactSearch: true,
      hasAgentAvailability: true,
      hasQueueWaitTime: true,
      hasTransferToOmniFlow: true,
      hasPendingStatusChange: false,
      hasAutoAcceptEnabled: false,
      debugEnabled: false,
    });
  }

  /**
   * The rep's status in Salesforce becomes their presence here: only `Online` takes messaging work, any other is busy.
   * @param {string} status
   */
  async setAgentStatus(status) {
    const presence = PRESENCE[String(status).toUpperCase()] ?? "busy";
    await this.#send("PUT", "/presence", { status: presence });
    return this.#made("GenericResult", { success: true });
  }

  /** @type {(name: string, given: object) => any} */
  #made(name, given) {
    const Class = this.#toolkit[name];
    return Class ? new Class(given) : given;
  }

  /** @type {(path: string, body: object) => Promise<any>} */
  #post(path, body) {
    return this.#send("POST", path, body);
  }

  /** @type {(method: string, path: string, body: object) => Promise<any>} */
  async #send(method, path, body) {
    const answer = await fetch(`${this.#base}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.#token()}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
    });
    const given = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (!answer.ok) throw new Error(given?.detail ?? `The gateway answered ${answer.status}.`);
    return given;
  }
}

/**
 * The connector as the toolkit wants it, for its `initializeConnector`.
 * @param {Connector} connector
 * @param {Toolkit} toolkit
 */
export function vendorConnector(connector, toolkit) {
  return new (class extends toolkit.VendorConnector {
    async init() {
      return new toolkit.InitResult({ showLogin: false });
    }

    /** @type {Connector["getContacts"]} */
    getContacts = (filter, workItemId) => connector.getContacts(filter, workItemId);

    /** @param {AgentWork} work */
    onAgentWorkEvent(work) {
      connector.onAgentWorkEvent(work).catch((error) => console.warn("byoc: work not reported:", error.message));
    }

    getSharedCapabilities = () => connector.getSharedCapabilities();

    /** @param {string} status */
    setAgentStatus = (status) => connector.setAgentStatus(status);
  })();
}
