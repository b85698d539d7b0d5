// The desk's state as a whole: what answers and events make of it, whatever order they come in.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import "./page.js";
import { Api, Problem } from "../../gateway/pages/static/desk/api.js";
import { Desk } from "../../gateway/pages/static/desk/state/desk.js";
import { ANA, entry, flag, invitation, KIM, offer, page, rep, SAM, session, settled } from "./samples.js";

/** @typedef {import("../../gateway/pages/static/desk/state/desk.js").Alert} Alert */

/**
 * A desk over a server that has these sessions and entries.
 * @param {V1.Session[]} sessions
 * @param {V1.Me} me
 */
function opened(sessions, me = ANA, entries = [entry(1)]) {
  const api = new Api("token");
  const server = { sessions: new Map(sessions.map((one) => [one.id, one])), entries, asked: 0 };
  api.me = async () => me;
  api.sessions = async ({ status }) => ({
    items: [...server.sessions.values()].filter((one) => one.status === status),
    next: null,
    remaining: null,
  });
  api.session = async (id) => {
    server.asked += 1;
    const found = server.sessions.get(id);
    if (!found) throw Problem.of(404, null);
    return found;
  };
  api.entries = async () => page(server.entries);
  /** @type {Alert[]} */
  const alerts = [];
  const desk = new Desk({ api, me, onAlert: (alert) => alerts.push(alert) });
  return { desk, api, server, alerts };
}

/** @type {(id: string, one: V1.Entry) => {type: string, session_id: string, data: {entry: V1.Entry}}} */
const said = (id, one) => ({ type: "entry", session_id: id, data: { entry: one } });
/** @type {(one: V1.Session) => {type: string, session_id: string, data: {session: V1.Session}}} */
const changed = (one) => ({ type: "session", session_id: one.id, data: { session: one } });

const mine = { participants: [rep("ana")] };

test("when the stream opens the state is read once; when it resumes, nothing is", async () => {
  const { desk, server } = opened([session("a", mine), session("b", { status: "waiting" })]);
  await desk.opened(false);
  assert.deepEqual([...desk.sessions.keys()].sort(), ["a", "b"]);
  server.sessions.delete("b");
  await desk.opened(true);
  assert.equal(desk.sessions.size, 2);
  await desk.opened(false);
  assert.deepEqual([...desk.sessions.keys()], ["a"]);
});

test("an event that overtakes the reading is not undone by it", async () => {
  const { desk } = opened([session("a", { ...mine, version: 1 })]);
  const reading = desk.opened(false);
  desk.take(changed(session("a", { ...mine, version: 2, status: "inactive" })));
  await reading;
  assert.equal(desk.sessions.get("a")?.status, "inactive");
});

test("after an older backup was restored, what is read takes the place of what was known", async () => {
  const { desk } = opened([session("a", { ...mine, version: 3 })]);
  desk.take(changed(session("a", { ...mine, version: 9, status: "inactive" })));
  await desk.opened(false, true);
  assert.deepEqual([desk.sessions.get("a")?.version, desk.sessions.get("a")?.status], [3, "active"]);
});

test("an offer, an invitation and a flag ring once, however often they are told", async () => {
  const asking = session("a", { status: "waiting", offer: offer("ana"), invitations: [invitation("i1")] });
  const { desk, alerts } = opened([asking]);
  await desk.opened(false);
  desk.take(changed({ ...asking, version: 2 }));
  assert.deepEqual(
    alerts.map(({ text, urgent }) => [text, urgent]),
    [
      ["Kim is waiting", true],
      ["Ben asks you to join: Kim", true],
    ],
  );
  const sam = opened([session("a", { flag: flag("ben"), flags: [flag("ben")] })], SAM);
  await sam.desk.opened(false);
  assert.deepEqual(
    sam.alerts.map(({ text }) => text),
    ["BEN raised a flag: help"],
  );
});

test("what the customer writes is news to who is in, and to nobody else", async () => {
  const { desk, alerts } = opened([session("a", mine), session("b", { status: "waiting" })]);
  await desk.opened(false);
  desk.transcripts.of("a").addOlder(page([entry(1)]));
  desk.take(said("a", entry(2)));
  desk.take(said("a", entry(2)));
  desk.take(said("a", entry(3, { from: rep("ana") })));
  desk.take(said("b", entry(2)));
  assert.deepEqual(
    alerts.map(({ text, session: id }) => [text, id]),
    [["Kim: line 2", "a"]],
  );
  assert.deepEqual([desk.unread("a"), desk.sessions.get("a")?.entry_count], [2, 3]);
  desk.seen("a");
  assert.equal(desk.unread("a"), 0);
});

test("a session that somebody else took is forgotten, its transcript too", async () => {
  const { desk } = opened([session("a", { status: "waiting", offer: offer("ana") })]);
  await desk.opened(false);
  assert.equal(desk.calls.length, 1);
  desk.take({ type: "session_gone", session_id: "a", data: {} });
  assert.deepEqual([desk.calls.length, desk.sessions.size, desk.transcripts.of("a").loaded], [0, 0, false]);
});

test("several reasons to look at a session at one time are one call; one that is gone is forgotten", async () => {
  const { desk, server } = opened([session("a", mine)]);
  await desk.opened(false);
  server.sessions.clear();
  for (const type of ["work_offered", "invitation_received"]) desk.take({ type, session_id: "a", data: {} });
  await settled();
  assert.deepEqual([server.asked, desk.sessions.size], [1, 0]);
});

test("a conversation that may now be read in whole is read again", async () => {
  const { desk, server } = opened([session("a", { access: "preview" })], ANA, [entry(9)]);
  await desk.opened(false);
  await desk.select("a");
  assert.equal(desk.transcripts.of("a").entries.length, 1);
  server.entries = [entry(8), entry(9)];
  desk.take(changed(session("a", { ...mine, version: 2 })));
  await settled();
  assert.equal(desk.transcripts.of("a").entries.length, 2);
});

test("what is refused becomes a notice above its conversation, and the page looks again", async () => {
  const { desk, server } = opened([session("a", mine)]);
  await desk.opened(false);
  const refusal = Problem.of(409, { detail: "Others are still in." });
  assert.equal(await desk.act("a", () => Promise.reject(refusal)), undefined);
  assert.deepEqual([desk.notices.list[0].text, desk.notices.list[0].session], ["Others are still in.", "a"]);
  assert.equal(server.asked, 1);
});

test("a presence that was refused is as it was before", async () => {
  const { desk, api } = opened([]);
  api.setPresence = () => Promise.reject(Problem.of(503, null));
  const saying = desk.setPresence("busy");
  assert.equal(desk.presence.status, "busy");
  assert.equal(await saying, false);
  assert.equal(desk.presence.status, "online");
});

test("what the rep says of their presence is sent one after the other, and the last word stays", async () => {
  const { desk, api } = opened([]);
  /** @type {V1.PresenceStatus[]} */
  const asked = [];
  /** @type {(() => void)[]} */
  const answers = [];
  api.setPresence = (status) => {
    asked.push(status);
    return new Promise((done) => answers.push(() => done({ status, idle_since: null, connected: true })));
  };
  const [away, offline] = [desk.setPresence("away"), desk.setPresence("offline")];
  await settled();
  assert.deepEqual(asked, ["away"]);
  desk.take({ type: "presence", session_id: null, data: { login: ANA.login, status: "away" } });
  assert.equal(desk.presence.status, "offline");
  answers[0]();
  await away;
  await settled();
  assert.deepEqual(asked, ["away", "offline"]);
  answers[1]();
  await offline;
  assert.equal(desk.presence.status, "offline");
  desk.take({ type: "presence", session_id: null, data: { login: ANA.login, status: "busy" } });
  assert.equal(desk.presence.status, "busy");
});

test("what the rep says of their presence while the state is read is later than what is read", async () => {
  const { desk, api } = opened([]);
  api.setPresence = async (status) => ({ status, idle_since: null, connected: true });
  const reading = desk.opened(false);
  await desk.setPresence("away");
  await reading;
  assert.equal(desk.presence.status, "away");
});

test("typing ends by itself, by a message, and is nobody's own", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { desk } = opened([session("a", mine)]);
  /** @type {(who: V1.Actor) => void} */
  const types = (who) => desk.take({ type: "typing", session_id: "a", data: { who, on: true } });
  types(KIM);
  types({ role: "rep", id: "ana", name: "Ana" });
  assert.deepEqual(
    desk.typing.in("a").map(({ name }) => name),
    ["Kim"],
  );
  assert.deepEqual(desk.typing.in("a", Date.now() + 9_000), []);
  desk.take(said("a", entry(1)));
  assert.deepEqual(desk.typing.in("a"), []);
  mock.timers.reset();
});

test("watchers are told once for many changes, and one that breaks silences no other", async () => {
  const { desk } = opened([]);
  const faults = [];
  Object.assign(globalThis, { reportError: (/** @type {Error} */ error) => faults.push(error.message) });
  let told = 0;
  desk.watch(["sessions"], () => {
    throw new Error("broken");
  });
  const end = desk.watch(["sessions", "log"], () => {
    told += 1;
  });
  for (const id of ["a", "b", "c"]) desk.take(changed(session(id, mine)));
  await settled();
  assert.deepEqual([told, faults.length], [1, 1]);
  end();
  desk.take(changed(session("d", mine)));
  await settled();
  assert.equal(told, 1);
});
