// What a visitor of the web chat said: once, in order, until it was both taken and shown.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Queue } from "../../gateway/webchat/widget/queue.js";
import { settled } from "./samples.js";

/** @typedef {import("../../gateway/webchat/widget/types.js").Answer} Answer */
/** @typedef {import("../../gateway/webchat/widget/types.js").Item} Item */

/**
 * A queue over a service that answers as `answer` does; `sent` are the ids in order, `kept` what a reload would find.
 * @param {(item: Item) => Answer | Promise<Answer>} answer
 */
function over(answer, renew = async () => true) {
  /** @type {string[]} */
  const sent = [];
  /** @type {Omit<Item, "status">[]} */
  let kept = [];
  /** @type {number[]} */
  const pauses = [];
  const queue = new Queue({
    ready: () => true,
    deliver: async (item) => {
      sent.push(item.client_id);
      return answer(item);
    },
    renew,
    pause: async (tries) => void pauses.push(tries),
    keep: (items) => {
      kept = items;
    },
    onChange: () => {},
  });
  return { queue, sent, pauses, kept: () => kept };
}

/** @type {(item: Item) => import("../../gateway/webchat/widget/types.js").Line} */
const lineOf = ({ client_id }) => ({ seq: 1, type: "message", at: "", client_id });

const never = () => /** @type {Promise<Answer>} */ (new Promise(() => {}));

test("a message waits until it was taken and its line was shown, whichever comes first", async () => {
  const { queue, kept } = over(() => ({ status: 202 }));
  queue.say({ text: "hello" });
  const [item] = queue.waiting;
  assert.equal(kept().length, 1);
  await settled();
  assert.deepEqual([queue.waiting.length, item.status, kept().length], [1, "sent", 0]);
  queue.settle(lineOf(item));
  assert.equal(queue.waiting.length, 0);
});

test("a line that is shown before the answer leaves the message being sent, without a bubble", async () => {
  const { queue, kept } = over(never);
  queue.say({ text: "hello" });
  queue.settle(lineOf(queue.waiting[0]));
  assert.deepEqual([queue.waiting.length, kept().length], [0, 1]);
});

test("a lost answer is tried again under the same id, ever later, and nothing overtakes", async () => {
  let lost = 3;
  const { queue, sent, pauses } = over(() => (lost-- > 0 ? Promise.reject(new Error("lost")) : { status: 202 }));
  queue.say({ text: "one" });
  queue.say({ text: "two" });
  const [one, two] = queue.waiting.map(({ client_id }) => client_id);
  for (let turn = 0; turn < 5; turn += 1) await settled();
  assert.deepEqual(
    [sent, pauses],
    [
      [one, one, one, one, two],
      [0, 1, 2],
    ],
  );
});

test("a busy service is told as such until what waits has gone", async () => {
  let busy = true;
  const { queue } = over(() => (busy ? { status: 429 } : { status: 202 }));
  queue.given.pause = async () => {
    assert.ok(queue.slow);
    busy = false;
  };
  queue.say({ text: "hello" });
  for (let turn = 0; turn < 3; turn += 1) await settled();
  assert.ok(!queue.slow);
});

test("a refused message fails with the reason, and those behind it go on", async () => {
  const { queue, sent } = over(({ text }) => (text === "bad" ? { status: 422, code: "too_long" } : { status: 202 }));
  queue.say({ text: "bad" });
  queue.say({ text: "good" });
  await settled();
  const [bad] = queue.waiting;
  assert.deepEqual([bad.status, bad.reason, sent.length], ["failed", "too_long", 2]);
  queue.drop(bad);
  assert.deepEqual(
    queue.waiting.map(({ text }) => text),
    ["good"],
  );
});

test("a token that ran out is renewed; where that is refused, the message fails", async () => {
  let stale = true;
  const renewed = over(
    () => ({ status: stale ? 401 : 202 }),
    async () => {
      stale = false;
      return true;
    },
  );
  renewed.queue.say({ text: "hello" });
  await settled();
  assert.deepEqual([renewed.sent.length, renewed.queue.waiting[0].status], [2, "sent"]);
  const refused = over(
    () => ({ status: 401 }),
    async () => false,
  );
  refused.queue.say({ text: "hello" });
  await settled();
  assert.equal(refused.queue.waiting[0].status, "failed");
});

test("a reload goes on with what was kept, under the ids that it had; signing out forgets all of it", async () => {
  const { queue, kept } = over(never);
  queue.say({ text: "hello" });
  queue.say({ file: /** @type {any} */ ({ name: "plan.png" }) });
  const again = new Queue({ ...queue.given, kept: kept() });
  assert.deepEqual(
    again.waiting.map(({ text, status, client_id }) => [text, status, client_id]),
    [["hello", "sending", queue.waiting[0].client_id]],
  );
  again.clear();
  assert.equal(again.waiting.length, 0);
});
