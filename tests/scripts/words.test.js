// The desk's words: one line for each entry that is no message, and what the rep is told beside the log.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { Names, recipientName } from "../../gateway/pages/static/desk/state/names.js";
import { closed, declined, Notices, unavailable } from "../../gateway/pages/static/desk/state/notices.js";
import { cameBy, lineOf, orderLine, saysSomething } from "../../gateway/pages/static/desk/words.js";
import { entry, invitation, rep } from "./samples.js";

/** @type {(kind: V1.EntryKind, details: object, changes?: Partial<V1.Entry>) => string | null} */
const line = (kind, details, changes) =>
  lineOf(entry(1, { kind, from: rep("ana"), text: null, details, ...changes }), (id) => id?.toUpperCase());

test("who came and went is told by name", () => {
  assert.equal(line("participant_joined", { participant: { name: "Ben" } }), "Ben joined");
  assert.equal(line("participant_left", { reason: "disconnected" }), "ANA left (connection lost)");
  assert.equal(
    line("transferred", { from: { name: "Ana" }, to: { name: "Ben" } }),
    "Ana handed the conversation to Ben",
  );
  assert.equal(
    line("transferred", { recipient: { type: "queue", id: "vip" } }),
    "ANA handed the conversation to the queue VIP",
  );
});

test("a request names whom it is for, and why it was withdrawn", () => {
  const recipient = { type: "queue", id: "vip", name: "VIP" };
  assert.equal(line("invited", { recipient }), "ANA invited the queue VIP");
  assert.equal(line("invited", { recipient, purpose: "transfer" }), "ANA asked the queue VIP to take over");
  assert.equal(
    line("invitation_withdrawn", { recipient, reason: "inviter_left" }),
    "The invitation of the queue VIP was withdrawn: who asked has left",
  );
});

test("what belongs to a message that is shown has no line of its own; else it has one", () => {
  for (const kind of /** @type {V1.EntryKind[]} */ (["message_edited", "message_deleted", "reaction"])) {
    assert.equal(line(kind, { number: 1 }), null);
    assert.match(line(kind, {}) ?? "", /^ANA (edited|took|reacted)/);
  }
  assert.equal(line("reaction", { emoji: "👍" }), "ANA reacted 👍");
  assert.equal(line("message", {}), null);
  assert.equal(line("whisper", {}), null);
});

test("a change of state is told unless another line tells it", () => {
  assert.equal(line("status_changed", { from: "waiting", to: "active" }), null);
  assert.equal(line("status_changed", { from: "inactive", to: "active" }), "Active again");
  assert.equal(line("status_changed", { to: "ended", reason: "blocked" }), "The customer blocked us");
  assert.equal(line("status_changed", { to: "ended", reason: "of a time to come" }), "Conversation ended");
});

test("what a customer came by says as much as is known", () => {
  assert.equal(cameBy({ source: "ad", headline: "20 % off" }), "came by an ad: 20 % off");
  assert.equal(cameBy({ source: "story", url: "https://x.example" }), "answers your story");
  assert.equal(cameBy({ source: "product", product: { id: "4711" } }), "asks about a product: 4711");
});

test("an order's line needs no price", () => {
  assert.equal(orderLine({ retailer_id: "LAMP-17", quantity: "2" }), "2 × LAMP-17");
  assert.equal(
    orderLine({ title: "Lamp", retailer_id: "LAMP-17", quantity: "2", price: "40", currency: "USD" }),
    "2 × Lamp (LAMP-17) at 40 USD",
  );
});

test("a text that can't be seen says nothing", () => {
  for (const text of ["", " \u200b\u2060", "\u2800", "\u0007"]) assert.ok(!saysSomething(text));
  for (const text of ["a", "👍", "\u200bа", "0"]) assert.ok(saysSomething(text));
});

test("a declined invitation says whether others are still asked", () => {
  const by = { id: "ana", name: "Ana" };
  const queue = invitation("i1", { recipient: { type: "queue", id: "vip", name: "VIP" }, purpose: "transfer" });
  assert.equal(declined(invitation("i1"), { by, all: true }), "Ana declined your invitation.");
  assert.equal(declined(queue, { by, all: true }), "Ana declined to take over for Queue VIP.");
  assert.equal(declined(queue, { by, all: false }), "Ana declined to take over for Queue VIP. Others are still asked.");
  assert.match(unavailable(queue, { by }), /^Ana is no longer online: your transfer was withdrawn/);
});

test("a request that was closed is told where the rep didn't close it", () => {
  const whose = { from: { id: "ben", name: "ben" }, customer: { name: "Kim" } };
  assert.equal(closed({ reason: "taken", ...whose }), "Somebody else answered ben’s request about Kim.");
  assert.equal(closed({ reason: "withdrawn", ...whose }), "Ben’s request about Kim was withdrawn.");
  assert.equal(closed({ reason: "withdrawn" }), "The request was withdrawn.");
  for (const reason of ["accepted", "declined", "expired"]) assert.equal(closed({ reason, ...whose }), null);
});

test("notices have numbers of their own, and the latest twenty are kept", () => {
  let changes = 0;
  const notices = new Notices(() => {
    changes += 1;
  });
  for (let n = 1; n <= 25; n += 1) notices.add(null, `notice ${n}`, "plain");
  notices.dismiss(25);
  assert.deepEqual([notices.list.length, notices.list[0].id, notices.list.at(-1)?.id, changes], [19, 6, 24, 26]);
});

test("an id without a known name is its own name", () => {
  const names = new Names();
  names.learn("queue", "vip", "VIP");
  names.learn("agent", "ana", "Ana");
  assert.deepEqual(["ana", "vip", "ben"].map(names.of), ["Ana", "VIP", "ben"]);
  assert.equal(recipientName({ type: "flow", id: "f", name: "Greeter" }), "Flow Greeter");
});
