// One session's transcript: an unbroken run up to the newest, whatever order answers and events come in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fate, Transcript } from "../../gateway/pages/static/desk/state/transcript.js";
import { AT, entry, page, rep, second } from "./samples.js";

/** @type {(transcript: Transcript) => number[]} */
const numbers = ({ entries }) => entries.map(({ number }) => number);

/** @type {(first: V1.Entry[], remaining?: number) => Transcript} */
function loaded(first, remaining) {
  const transcript = new Transcript();
  transcript.addOlder(page(first, remaining));
  return transcript;
}

/** @type {(id: string, status: string, at: string) => V1.Delivery} */
const part = (id, status, at) => ({ outbox_id: id, status, code: null, reason: null, at });

test("nothing is loaded at first; a page says how many older entries remain", () => {
  const transcript = new Transcript();
  assert.deepEqual([transcript.loaded, transcript.remaining, transcript.last], [false, null, 0]);
  transcript.addOlder(page([entry(8), entry(9)], 7));
  assert.deepEqual([transcript.loaded, transcript.remaining, transcript.first, transcript.known], [true, 7, 8, 9]);
  transcript.addOlder(page([entry(6), entry(7)]));
  assert.deepEqual([numbers(transcript), transcript.remaining, transcript.known], [[6, 7, 8, 9], 0, 9]);
});

test("where a page doesn't count what remains, it is what the first number leaves", () => {
  const transcript = new Transcript();
  transcript.addOlder({ items: [entry(5)], next: "more", remaining: null });
  assert.equal(transcript.remaining, 4);
});

test("what came by events before the first page is put behind it, once", () => {
  const transcript = new Transcript();
  assert.ok(transcript.take(entry(4)));
  transcript.take(entry(3, { text: "as the event told it" }));
  transcript.addOlder(page([entry(2), entry(3)]));
  assert.deepEqual(numbers(transcript), [2, 3, 4]);
  assert.equal(transcript.get(3)?.text, "line 3");
});

test("an event beyond the next number leaves a hole until the page between has come", () => {
  const transcript = loaded([entry(1)]);
  assert.ok(transcript.take(entry(2)));
  assert.ok(!transcript.holey);
  transcript.take(entry(5));
  assert.ok(transcript.holey);
  transcript.addNewer(page([entry(4), entry(5)]));
  assert.ok(!transcript.holey);
  assert.deepEqual(numbers(transcript), [1, 2, 4, 5]);
});

test("the same entry again is not news", () => {
  const transcript = loaded([entry(1)]);
  assert.equal(transcript.take(entry(1)), false);
  assert.deepEqual(numbers(transcript), [1]);
});

test("how a message fares never goes back, part by part", () => {
  const transcript = loaded([entry(1, { delivery: [part("a", "sent", second(2)), part("b", "queued", second(1))] })]);
  transcript.put(entry(1, { delivery: [part("a", "queued", second(1)), part("b", "sent", second(3))] }));
  assert.deepEqual(
    transcript.get(1)?.delivery.map(({ status }) => status),
    ["sent", "sent"],
  );
  assert.ok(transcript.deliver(1, [part("a", "read", second(4))]));
  assert.ok(!transcript.deliver(2, []));
  assert.equal(transcript.get(1)?.delivery[0].status, "read");
});

test("a message has come to the least of its parts", () => {
  const parts = ["read", "failed", "sent"].map((status) => part(status, status, AT));
  assert.equal(fate(entry(1, { delivery: parts }))?.status, "failed");
  assert.equal(fate(entry(1)), null);
});

test("an edited message is shown with its latest words, whatever comes first; one taken back stays so", () => {
  /** @type {(number: number, text: string) => V1.Entry} */
  const edit = (number, text) => entry(number, { kind: "message_edited", text, details: { number: 1 } });
  const late = loaded([edit(4, "third"), edit(3, "second")], 1);
  late.addOlder(page([entry(1), entry(2)]));
  assert.deepEqual([late.get(1)?.text, late.get(1)?.edited], ["third", true]);
  const live = loaded([entry(1)]);
  live.take(edit(2, "second"));
  assert.equal(live.get(1)?.text, "second");
  live.put(entry(1, { deleted: true, text: null }));
  assert.equal(live.get(1)?.text, null);
});

test("a reaction stands with its message until it is taken back", () => {
  const transcript = loaded([entry(1)]);
  /** @type {(number: number, emoji: string | null) => V1.Entry} */
  const reaction = (number, emoji) => entry(number, { kind: "reaction", details: { number: 1, emoji } });
  transcript.take(reaction(2, "👍"));
  assert.deepEqual([...(transcript.reactions.get(1)?.values() ?? [])], ["👍"]);
  transcript.take(reaction(3, null));
  assert.equal(transcript.reactions.get(1)?.size, 0);
});

test("a name that is learned later is put on the customer's lines alone", () => {
  const transcript = loaded([entry(1), entry(2, { from: rep("ana") })]);
  assert.ok(transcript.name("Kimberly"));
  assert.deepEqual(
    transcript.entries.map(({ from }) => from?.name),
    ["Kimberly", "ANA"],
  );
  assert.ok(!transcript.name("Kimberly"));
});

test("news are what the customer wrote after a number; the latest message is anybody's", () => {
  const transcript = loaded([
    entry(1),
    entry(2),
    entry(3, { from: rep("ana") }),
    entry(4),
    entry(5, { kind: "participant_joined" }),
  ]);
  assert.deepEqual(
    [0, 1, 3, 4, 9].map((number) => transcript.newsAfter(number)),
    [3, 2, 1, 0, 0],
  );
  assert.equal(transcript.latestMessage?.number, 4);
  assert.equal(new Transcript().latestMessage, null);
});

test("the note to a rep is that of the invitation by which they last joined", () => {
  /** @type {(number: number, id: string, text: string | null) => V1.Entry} */
  const invited = (number, id, text) => entry(number, { kind: "invited", text, details: { invitation_id: id } });
  /** @type {(number: number, id: string | null) => V1.Entry} */
  const joined = (number, id) =>
    entry(number, { kind: "participant_joined", details: { participant: { id: "ana" }, invitation_id: id } });
  const transcript = loaded([invited(1, "i1", "old"), joined(2, "i1"), invited(3, "i2", "new"), joined(4, "i2")]);
  assert.equal(transcript.noteTo("ana")?.text, "new");
  assert.equal(transcript.noteTo("ben"), null);
  transcript.take(joined(5, null));
  assert.equal(transcript.noteTo("ana"), null);
});
