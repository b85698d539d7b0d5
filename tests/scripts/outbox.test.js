// What the rep sent: in order, each once, held back while the server can't be reached.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import "./page.js";
import { Problem, Unreachable } from "../../gateway/pages/static/desk/api.js";
import { Outbox } from "../../gateway/pages/static/desk/state/outbox.js";
import { entry, rep, settled } from "./samples.js";

/** @typedef {import("../../gateway/pages/static/desk/state/outbox.js").Item} Item */

/**
 * An outbox of a rep of its own, over a server that answers as `answer` does.
 * @param {(item: Item) => Promise<V1.Entry>} answer
 * @param {string} login
 */
function over(answer, login = crypto.randomUUID()) {
  /** @type {Item[]} */
  const sent = [];
  const outbox = new Outbox({
    login,
    send: (item) => {
      sent.push({ ...item });
      return answer(item);
    },
    onSent: () => {},
    onChange: () => {},
  });
  return { outbox, sent, login };
}

/** @type {(item: Item) => Promise<V1.Entry>} */
const taken = async () => entry(1, { from: rep("ana") });

const unreachable = () => Promise.reject(new Unreachable("no network"));

test("messages of one session go out one after the other, in their order", async () => {
  /** @type {(() => void)[]} */
  const answers = [];
  const { outbox, sent } = over((item) => new Promise((resolve) => answers.push(() => resolve(taken(item)))));
  for (const text of ["one", "two"]) outbox.say("a", { text });
  outbox.say("b", { text: "elsewhere" });
  assert.deepEqual(
    sent.map(({ text }) => text),
    ["one", "elsewhere"],
  );
  for (const answer of answers.splice(0)) answer();
  await settled();
  assert.deepEqual([sent[2].text, outbox.size], ["two", 1]);
});

test("what was held back goes out under the key that it had", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let reachable = false;
  const { outbox, sent } = over((item) => (reachable ? taken(item) : unreachable()));
  outbox.say("a", { text: "hello" });
  await settled();
  assert.deepEqual(
    outbox.of("a").map(({ state }) => state),
    ["held"],
  );
  reachable = true;
  mock.timers.tick(4_000);
  await settled();
  assert.deepEqual([sent.length, sent[0].key, outbox.size], [2, sent[1].key, 0]);
  mock.timers.reset();
});

test("a refused message holds up those behind it until the rep decides, and no whisper", async () => {
  let refuses = true;
  const { outbox, sent } = over((item) =>
    refuses && !item.aside ? Promise.reject(Problem.of(422, { detail: "too long" })) : taken(item),
  );
  outbox.say("a", { text: "one" });
  outbox.say("a", { text: "two" });
  outbox.say("a", { text: "a whisper", aside: true, to: "ana" });
  await settled();
  const [one, two] = outbox.of("a");
  assert.deepEqual([one.state, one.problem, two.state, outbox.size], ["refused", "too long", "sending", 2]);
  refuses = false;
  outbox.discard(one.key);
  await settled();
  assert.deepEqual([sent.at(-1)?.text, outbox.size], ["two", 0]);
});

test("an entry that comes by the stream before its answer stands there once", async () => {
  const { outbox } = over(() => new Promise(() => {}));
  outbox.say("a", { text: "hello" });
  outbox.say("a", { text: "hello" });
  outbox.confirm("a", entry(1, { text: "hello" }));
  assert.equal(outbox.of("a").length, 1);
  outbox.confirm("a", entry(2, { kind: "whisper", text: "hello" }));
  assert.equal(outbox.of("a").length, 1);
});

test("a reload keeps texts, their keys and whose flag a whisper is about, but no files", async () => {
  const { outbox, login } = over(() => new Promise(() => {}));
  outbox.say("a", { text: "hello" });
  outbox.say("a", { text: "yes, do", aside: true, to: "ben" });
  outbox.say("a", { text: "", file: /** @type {any} */ ({ name: "plan.png" }) });
  const { outbox: again, sent } = over(taken, login);
  assert.deepEqual(
    again.of("a").map(({ text, state }) => [text, state]),
    [
      ["hello", "held"],
      ["yes, do", "held"],
    ],
  );
  const [{ key }] = again.of("a");
  again.resume();
  await settled();
  assert.deepEqual([sent[0].key, sent[1].to, again.size], [key, "ben", 0]);
});
