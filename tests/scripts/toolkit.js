// Salesforce's connector toolkit as far as it judges what a connector gives it: the classes throw as its own do.
// Written from its published types (github.com/salesforce/scv-connector-base, 4.8); the package itself would bring
// webpack along.

const CONTACT_TYPES = ["PhoneBook", "Queue", "PhoneNumber", "Agent", "Flow"];
const LIST_TYPES = ["Transfer", "Conference", "All"];
const AVAILABILITIES = ["AVAILABLE", "BUSY", "OFFLINE"];

/** @param {unknown} value */
function text(value) {
  if (typeof value !== "string") throw new Error(`Invalid argument. Expecting a string but got ${typeof value}`);
}

/** @param {unknown} value */
function boolean(value) {
  if (typeof value !== "boolean") throw new Error(`Invalid argument. Expecting a boolean but got ${typeof value}`);
}

/** @type {(value: unknown, values: string[]) => void} */
function one(value, values) {
  if (!values.includes(String(value))) throw new Error(`Invalid argument. Expecting one of ${values} but got ${value}`);
}

export class Contact {
  /** @param {{[name: string]: any}} given */
  constructor(given) {
    for (const name of ["id", "name", "recordId", "description", "queueWaitTime", "queue", "phoneNumber"]) {
      if (given[name] != null) text(given[name]);
    }
    if (given.type) one(given.type, CONTACT_TYPES);
    if (given.listType) one(given.listType, LIST_TYPES);
    if (given.availability) one(given.availability, AVAILABILITIES);
    this.availability = given.type === "Agent" ? given.availability : null;
    this.given = given;
  }
}

export class ContactsResult {
  /** @param {{contacts?: unknown[], contactTypes?: string[]}} given */
  constructor({ contacts = [], contactTypes = [] }) {
    for (const contact of contacts) if (!(contact instanceof Contact)) throw new Error("Invalid className.");
    for (const type of contactTypes) one(type, CONTACT_TYPES);
    this.contacts = contacts;
    this.contactTypes = contactTypes;
  }
}

export class SharedCapabilitiesResult {
  /** @param {{[name: string]: unknown}} given */
  constructor(given) {
    for (const value of Object.values(given)) boolean(value);
    this.given = given;
  }
}

export class InitResult {
  /** @param {{showLogin: boolean}} given */
  constructor({ showLogin }) {
    this.showLogin = showLogin;
  }
}

export class GenericResult {
  /** @param {{success: boolean}} given */
  constructor({ success }) {
    this.success = success;
  }
}

export class VendorConnector {}
