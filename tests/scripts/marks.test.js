// How far a rep has read, and what they began to write.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { Marks } from "../../gateway/pages/static/desk/state/marks.js";

const marks = () => new Marks("ana", () => {});

test("reading only goes forward, and survives a reload", () => {
  const first = marks();
  assert.equal(first.readUpTo("a"), null);
  assert.ok(first.read("a", 4));
  assert.ok(!first.read("a", 3));
  assert.equal(marks().readUpTo("a"), 4);
});

test("two tabs that read in different sessions don't undo each other", () => {
  const [one, other] = [marks(), marks()];
  one.read("b", 7);
  other.read("c", 2);
  assert.deepEqual([marks().readUpTo("b"), marks().readUpTo("c")], [7, 2]);
});

test("a draft is kept until it is sent or emptied", () => {
  const one = marks();
  one.write("a", "I will");
  assert.equal(marks().draft("a"), "I will");
  one.write("a", "");
  assert.equal(marks().draft("a"), "");
});

test("of very many sessions the marks of the last 500 are kept", () => {
  const many = new Marks("ben", () => {});
  for (let n = 0; n <= 500; n += 1) many.read(`session ${n}`, 1);
  const again = new Marks("ben", () => {});
  assert.deepEqual([again.readUpTo("session 0"), again.readUpTo("session 1")], [null, 1]);
});

test("a store that holds no sense is as good as an empty one", () => {
  localStorage.setItem("byoc.desk.cleo.read", "{broken");
  assert.equal(new Marks("cleo", () => {}).readUpTo("a"), null);
});
