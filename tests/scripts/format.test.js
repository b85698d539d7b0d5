// Times, sizes and words as people read them.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { countdown, day, hue, initials, list, short, size } from "../../gateway/pages/static/kit/format.js";

test("a countdown shows minutes and seconds, rounded up, and never less than nothing", () => {
  assert.deepEqual([42_000, 41_001, 600_000, 0, -5].map(countdown), ["0:42", "0:42", "10:00", "0:00", "0:00"]);
});

test("a day is today, yesterday, or its date", () => {
  const now = new Date(2026, 10, 24, 0, 5);
  assert.equal(day(new Date(2026, 10, 24, 23, 59), now), "Today");
  assert.equal(day(new Date(2026, 10, 23, 0, 0), now), "Yesterday");
  assert.equal(day(new Date(2026, 10, 22, 23, 59), now), "Sunday 22 November");
});

test("a narrow column has the time of today and the date of other days", () => {
  const now = new Date(2026, 10, 24, 12);
  assert.match(short(new Date(2026, 10, 24, 9, 7), now), /09:07/);
  assert.equal(short(new Date(2026, 10, 23, 9, 7), now), "23 Nov");
});

test("a size has the unit that keeps it short", () => {
  assert.deepEqual([0, 999, 1000, 640_400, 1_250_000].map(size), ["0 byte", "999 byte", "1 kB", "640 kB", "1.3 MB"]);
});

test("names are listed as in a sentence", () => {
  assert.equal(list(["Ana", "Ben", "Cleo"]), "Ana, Ben and Cleo");
});

test("two letters stand for a name, two digits for a number, and no character is cut in half", () => {
  assert.deepEqual(["Ana Ruiz", "kim", "Ana María Ruiz", "+34 600 123", "𝒜lice 𝓑ob", " "].map(initials), [
    "AR",
    "K",
    "AR",
    "23",
    "𝒜𝓑",
    "?",
  ]);
});

test("the same text has the same colour, within the circle", () => {
  assert.equal(hue("kim"), hue("kim"));
  for (const text of ["", "kim", "😀".repeat(50)]) assert.ok(hue(text) >= 0 && hue(text) < 360);
});
