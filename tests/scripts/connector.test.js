// What the connector inside Salesforce gives the connector toolkit, and what it asks of the gateway for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Connector, vendorConnector } from "../../gateway/pages/static/connector/connector.js";
import * as toolkit from "./toolkit.js";

const AGENT = {
  id: "005000000000BENAAA",
  type: "Agent",
  name: "Ben",
  listType: "All",
  availability: "AVAILABLE",
  recordId: "005000000000BENAAA",
  description: "0 of 5 conversations",
  queueWaitTime: null,
};
const QUEUE = { ...AGENT, id: "00G1", type: "Queue", name: "Support", availability: null, queueWaitTime: "90" };
const FOUND = { contacts: [AGENT, QUEUE], contactTypes: ["Agent", "Queue", "Flow"] };

/** @type {{url: string, method: string, headers: any, body: any}[]} */
let asked = [];
/** @type {{status: number, body?: any}} */
let answer = { status: 200 };

/** @type {typeof fetch} */
globalThis.fetch = async (url, init) => {
  asked.push({
    url: String(url),
    method: String(init?.method),
    headers: init?.headers,
    body: JSON.parse(String(init?.body)),
  });
  return new Response(answer.body === undefined ? null : JSON.stringify(answer.body), { status: answer.status });
};

/** A connector of its own, over a gateway that answers so. */
function over(more = {}, answers = { status: 200, body: /** @type {any} */ (FOUND) }) {
  asked = [];
  answer = answers;
  return new Connector({ token: () => "token-ana", toolkit, ...more });
}

/** @type {(work: Promise<unknown>) => Promise<string>} */
const refused = (work) =>
  work.then(
    () => "it was not refused",
    (error) => error.message,
  );

test("contacts are asked for as the API takes them, and come as the toolkit's own", async () => {
  const filter = { contains: "be", limit: 50, offset: 50, types: ["Agent", "AVAILABLE", "Nonsense"] };
  const result = await over().getContacts(filter, "0Mw000000000001");
  assert.ok(result instanceof toolkit.ContactsResult);
  assert.deepEqual(result.contactTypes, ["Agent", "Queue", "Flow"]);
  const [{ url, method, headers, body }] = asked;
  assert.deepEqual([url, method, headers.Authorization], ["/api/v1/salesforce/contacts", "POST", "Bearer token-ana"]);
  assert.deepEqual(body, {
    work_item_id: "0Mw000000000001",
    contains: "be",
    types: ["AGENT", "AVAILABLE"],
    offset: 50,
    limit: 50,
  });
});

for (const filter of [undefined, null, {}, { contains: null, types: null, limit: 500, offset: -1 }]) {
  test(`a filter of ${JSON.stringify(filter)} asks for the first page of all`, async () => {
    await over().getContacts(filter, "0Mw1");
    assert.deepEqual(asked[0].body, { work_item_id: "0Mw1", contains: "", types: [], offset: 0, limit: 50 });
  });
}

for (const wrong of [{ queueWaitTime: 90 }, { type: "Others" }, { listType: "both" }, { recordId: 5 }]) {
  test(`the toolkit refuses ${JSON.stringify(wrong)}`, async () => {
    const connector = over({}, { status: 200, body: { ...FOUND, contacts: [{ ...QUEUE, ...wrong }] } });
    assert.match(await refused(connector.getContacts({}, "0Mw1")), /Invalid argument/);
  });
}

test("what the gateway refuses is an error with its sentence", async () => {
  const body = { code: "session_not_found", detail: "You have no such session in Salesforce." };
  assert.equal(await refused(over({}, { status: 404, body }).getContacts({}, "0Mw1")), body.detail);
  assert.match(await refused(over({}, { status: 502, body: undefined }).getContacts({}, "0Mw1")), /answered 502/);
});

test("work is reported as it comes", async () => {
  await over({ base: "https://byoc.example" }, { status: 204, body: undefined }).onAgentWorkEvent({
    workItemId: "0Mw1",
    workId: "0Bz1",
    workEvent: "ACCEPTED",
  });
  const [{ url, body }] = asked;
  assert.equal(url, "https://byoc.example/api/v1/salesforce/work");
  assert.deepEqual(body, { work_item_id: "0Mw1", work_id: "0Bz1", work_event: "ACCEPTED" });
});

for (const [status, presence] of [
  ["Online", "online"],
  ["Offline", "offline"],
  ["AfterCallWork", "busy"],
  ["Lunch", "busy"],
]) {
  test(`${status} in Salesforce is ${presence} here`, async () => {
    const result = await over().setAgentStatus(status);
    assert.ok(result instanceof toolkit.GenericResult);
    assert.deepEqual(asked, [{ ...asked[0], url: "/api/v1/presence", method: "PUT", body: { status: presence } }]);
  });
}

test("it is a connector of the toolkit's, with all it is asked for", async () => {
  /** @type {any} */
  const vendor = vendorConnector(over(), toolkit);
  assert.equal(Object.getPrototypeOf(vendor.constructor), toolkit.VendorConnector);
  assert.equal((await vendor.init()).showLogin, false);
  assert.ok((await vendor.getSharedCapabilities()).given.hasContactSearch);
  assert.equal((await vendor.getContacts({}, "0Mw1")).contacts.length, 2);
  answer = { status: 500 };
  vendor.onAgentWorkEvent({ workItemId: "0Mw1", workId: "0Bz1", workEvent: "DECLINED" }); // nobody waits for it
});

test("without the toolkit's classes the answers are plain values of the same shapes", async () => {
  const result = await over({ toolkit: undefined }).getContacts({}, "0Mw1");
  assert.deepEqual(result, FOUND);
});
