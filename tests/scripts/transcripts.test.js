// What is asked of the server to fill transcripts, and what is not asked for twice.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import "./page.js";
import { Api } from "../../gateway/pages/static/desk/api.js";
import { Transcripts } from "../../gateway/pages/static/desk/state/transcripts.js";
import { entry, page, settled } from "./samples.js";

/** @typedef {{limit?: number, after?: number, before?: number}} Query */

/**
 * Transcripts over a server with so many entries in each session; `asked` are the queries so far.
 * @param {(query: Query) => V1.ListOfEntry} answer
 */
function over(answer) {
  const api = new Api("token");
  /** @type {Query[]} */
  const asked = [];
  api.entries = async (_, query) => {
    asked.push(/** @type {Query} */ (query));
    return answer(/** @type {Query} */ (query));
  };
  /** @type {string[]} */
  const changed = [];
  const transcripts = new Transcripts({
    api,
    quietly: (work, failed = () => {}) => work().catch(failed),
    onChange: (id) => changed.push(id),
  });
  return { transcripts, asked, changed };
}

/** @type {(from: number, to: number) => V1.Entry[]} */
const run = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => entry(from + n));

test("a first page is asked for once, however many ask", async () => {
  const { transcripts, asked, changed } = over(() => page(run(51, 100), 50));
  await Promise.all([transcripts.loadFirst("a"), transcripts.loadFirst("a"), transcripts.loadOlder("a")]);
  assert.deepEqual([asked, changed], [[{ limit: 50 }], ["a"]]);
  await transcripts.loadFirst("a");
  assert.equal(asked.length, 1);
});

test("older pages come one at a time, a big one for who leapt far back, and none when there are none", async () => {
  const { transcripts, asked } = over(({ before }) => (before ? page(run(1, 50)) : page(run(51, 100), 50)));
  await transcripts.loadFirst("a");
  await Promise.all([transcripts.loadOlder("a", { far: true }), transcripts.loadOlder("a")]);
  assert.deepEqual(asked.slice(1), [{ before: 51, limit: 1000 }]);
  await transcripts.loadOlder("a");
  assert.equal(asked.length, 2);
});

test("a first page that was refused rests before it is asked for again, however often the log is drawn", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let refuses = true;
  const { transcripts, asked } = over(() => {
    if (refuses) throw new Error("not now");
    return page([entry(1)]);
  });
  for (let drawn = 0; drawn < 5; drawn += 1) await transcripts.loadOlder("a");
  assert.deepEqual([asked.length, transcripts.of("a").failed], [1, "not now"]);
  refuses = false;
  mock.timers.tick(10_000);
  await transcripts.loadOlder("a");
  assert.deepEqual([asked.length, transcripts.of("a").loaded], [2, true]);
  mock.timers.reset();
});

test("what was missed is read page by page up to the newest", async () => {
  const { transcripts, asked } = over(({ after = 0 }) => page(run(after + 1, Math.min(after + 200, 450))));
  transcripts.of("a").addOlder(page([entry(1)]));
  await Promise.all([transcripts.catchUp("a"), transcripts.catchUp("a")]);
  assert.deepEqual(
    asked.map(({ after }) => after),
    [1, 201, 401],
  );
  assert.equal(transcripts.of("a").known, 450);
});

test("a line that changed while its page was read is asked for again afterwards", async () => {
  const { transcripts, asked } = over(({ after }) =>
    page([entry(1, { text: after === undefined ? "before" : "after" })]),
  );
  const first = transcripts.loadFirst("a");
  await transcripts.refetch("a", 1);
  await first;
  await settled();
  assert.deepEqual([asked[1], transcripts.of("a").get(1)?.text], [{ after: 0, limit: 1 }, "after"]);
});

test("rows in view are read two at a time, the one that came last first", async () => {
  const { transcripts, asked } = over(() => page([entry(1)]));
  for (const id of ["a", "b", "c", "d", "a"]) transcripts.warm(id);
  assert.equal(asked.length, 2);
  await settled();
  assert.deepEqual([asked.length, asked[0]], [4, { limit: 20 }]);
});

test("reading anew keeps what is shown until the new page is there, and what came meanwhile", async () => {
  const { transcripts } = over(() => page([entry(3), entry(4)], 2));
  transcripts.of("a").addOlder(page([entry(1), entry(2)]));
  transcripts.of("b").addOlder(page([entry(1)]));
  const reading = transcripts.readAnew("a", async () => {});
  assert.equal(transcripts.of("a").last, 2);
  assert.ok(!transcripts.of("b").loaded);
  transcripts.of("a").take(entry(5));
  await reading;
  assert.deepEqual(
    transcripts.of("a").entries.map(({ number }) => number),
    [3, 4, 5],
  );
});
