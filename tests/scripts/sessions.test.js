// What a session is to a rep: its group, what it calls them for, and what an event changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  alertsOf,
  called,
  callsFor,
  grouped,
  groupOf,
  later,
  withEntry,
} from "../../gateway/pages/static/desk/state/sessions.js";
import { ANA, entry, flag, invitation, offer, rep, SAM, second, session } from "./samples.js";

const mine = { participants: [rep("ana")] };

test("a session stands in one group, and in none while it is offered or when it is over", () => {
  assert.equal(groupOf(session("a", mine), ANA), "mine");
  assert.equal(groupOf(session("a", { status: "waiting" }), ANA), "waiting");
  assert.equal(groupOf(session("a"), ANA), null);
  assert.equal(groupOf(session("a"), SAM), "others");
  assert.equal(groupOf(session("a", { ...mine, flag: flag("ana") }), ANA), "mine");
  assert.equal(groupOf(session("a", { ...mine, flag: flag("ana") }), SAM), "flagged");
  assert.equal(groupOf(session("a", { status: "waiting", offer: offer("ana") }), ANA), null);
  assert.equal(groupOf(session("a", { ...mine, status: "ended" }), ANA), null);
});

test("the latest activity stands first, who waits longest and the oldest flag do too", () => {
  const groups = grouped(
    [
      session("old", { ...mine, last_message_at: second(1) }),
      session("new", { ...mine, last_message_at: second(9) }),
      session("b", { ...mine, last_message_at: second(5) }),
      session("a", { ...mine, last_message_at: second(5) }),
      session("late", { status: "waiting", opened_at: second(8) }),
      session("early", { status: "waiting", opened_at: second(2) }),
    ],
    ANA,
  );
  assert.deepEqual(
    Object.values(groups).map((list) => list.map(({ id }) => id)),
    [[], ["new", "a", "b", "old"], ["early", "late"], []],
  );
  const flagged = [
    session("second", { flag: flag("ana", { raised_at: second(2) }), last_message_at: second(9) }),
    session("first", { flag: flag("ben", { raised_at: second(1) }) }),
  ];
  assert.deepEqual(
    grouped(flagged, SAM).flagged.map(({ id }) => id),
    ["first", "second"],
  );
});

test("what waits for an answer is listed, the most urgent first, and nothing that is not for this rep", () => {
  const calls = callsFor(
    [
      session("offered", { status: "waiting", offer: offer("ana", { expires_at: second(40) }) }),
      session("asked", { invitations: [invitation("i1", { expires_at: second(20) })] }),
      session("another's", { status: "waiting", offer: offer("ben") }),
      session("declined", { invitations: [invitation("i2", { declined: ["ana"] })] }),
      session("closed", { invitations: [invitation("i3", { status: "withdrawn" })] }),
      session("own", { invitations: [invitation("i4", { from: "ana" })] }),
      session("inside", { ...mine, invitations: [invitation("i5")] }),
      session("over", { status: "ended", offer: offer("ana") }),
    ],
    "ana",
  );
  assert.deepEqual(
    calls.map(({ key }) => key),
    ["i1", "offer offered"],
  );
});

test("a session calls a rep once for each offer, invitation and flag, by keys that are their own", () => {
  const asking = session("a", {
    status: "waiting",
    offer: offer("ana"),
    invitations: [invitation("i1", { purpose: "transfer" })],
    flags: [flag("ben")],
  });
  assert.deepEqual(alertsOf(asking, ANA), [
    [`offer a ${second(0).replace(".000", "")}`, "Kim is waiting"],
    ["invitation i1", "Ben asks you to take over: Kim"],
  ]);
  const flags = session("a", { flags: [flag("ben"), flag("sam")] });
  assert.deepEqual(
    alertsOf(flags, SAM).map(([, text]) => text),
    ["BEN raised a flag: help"],
  );
});

test("of two readings the later one counts, and one of the same version replaces what is known", () => {
  const [one, two, same] = [session("a"), session("a", { version: 2 }), session("a", { version: 2 })];
  assert.equal(later(two, one), two);
  assert.equal(later(one, two), two);
  assert.equal(later(two, same), same);
  assert.equal(later(undefined, one), one);
});

test("an entry counts in its session, and only a message moves it up the list", () => {
  const before = session("a", { entry_count: 4, last_message_at: second(4) });
  assert.equal(withEntry(before, entry(4)), before);
  assert.equal(withEntry(before, entry(5)).last_message_at, second(5));
  const joined = withEntry(before, entry(6, { kind: "participant_joined" }));
  assert.deepEqual([joined.entry_count, joined.last_message_at], [6, second(4)]);
});

test("a customer whose name is an address that says nothing is called something shorter", () => {
  assert.equal(called({ id: "24681357924681357", name: "24681357924681357" }), "24681357924681357");
  assert.equal(called({ id: "U4af4980629b1c9a3", name: "U4af4980629b1c9a3" }), "Customer c9a3");
  assert.equal(called({ id: "U4af4980629b1c9a3", name: "Kim" }), "Kim");
});
