// Where the rows of a long list are, and how what the reader looks at stays where it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Layout } from "../../gateway/pages/static/kit/scroller.js";

/** @typedef {import("../../gateway/pages/static/kit/scroller.js").Row} Row */

/** @type {(from: number, to: number) => Row[]} */
const rows = (from, to) =>
  Array.from({ length: to - from + 1 }, (_, n) => ({
    key: from + n,
    sign: "",
    guess: 50,
    make: () => {
      throw new Error("arithmetic draws nothing");
    },
  }));

/** @type {(from: number, to: number, lead?: number) => Layout} */
function laid(from, to, lead = 0) {
  const layout = new Layout();
  layout.set(rows(from, to), lead);
  return layout;
}

test("an unmeasured row is as high as was guessed, behind the lead", () => {
  const layout = laid(1, 10, 200);
  assert.deepEqual([layout.height, layout.top(0), layout.top(3)], [700, 200, 350]);
  assert.equal(new Layout().height, 0);
});

test("the row at a position is found; beyond the ends it is the first or the last", () => {
  const layout = laid(1, 10, 200);
  assert.deepEqual(
    [-1, 0, 200, 249, 250, 699, 9999].map((position) => layout.at(position)),
    [0, 0, 0, 0, 1, 9, 9],
  );
  assert.equal(new Layout().at(0), 0);
});

test("a drawn row keeps its height, and only another height asks for another round", () => {
  const layout = laid(1, 10);
  assert.ok(layout.measured(1, 80));
  assert.ok(!layout.measured(1, 80.3));
  layout.arrange();
  assert.equal(layout.top(1), 80);
  layout.set(rows(1, 3), 0);
  assert.equal(layout.height, 180);
});

test("older rows are put above the one that the reader looks at, which stays where it is", () => {
  const layout = laid(51, 100, 500);
  const top = 720;
  const anchor = layout.anchor(top);
  assert.deepEqual(anchor, { key: 55, offset: -20 });
  layout.set(rows(1, 100), 0);
  assert.equal(layout.topFor(anchor, top, 400), 54 * 50 + 20);
});

test("a picture that loads above the view moves the view with it", () => {
  const layout = laid(1, 100);
  const anchor = layout.anchor(1000);
  layout.measured(3, 250);
  layout.arrange();
  assert.equal(layout.topFor(anchor, 1000, 400), 1200);
});

test("at the end the end is the anchor, however many rows come", () => {
  const layout = laid(1, 100);
  assert.equal(layout.topFor(null, 0, 400), 4600);
  layout.set(rows(1, 101), 0);
  assert.equal(layout.topFor(null, 4600, 400), 4650);
  layout.set(rows(1, 2), 0);
  assert.equal(layout.topFor(null, 0, 400), 0);
});

test("while the lead fills the view, the first row that is here is the anchor: what comes is put between", () => {
  const layout = laid(51, 100, 5000);
  assert.deepEqual(layout.anchor(100), { key: 51, offset: 4900 });
});

test("a view whose row is gone stays where it is", () => {
  const layout = laid(1, 10);
  assert.equal(layout.topFor({ key: "gone", offset: 0 }, 123, 400), 123);
  assert.equal(new Layout().anchor(0), null);
});
