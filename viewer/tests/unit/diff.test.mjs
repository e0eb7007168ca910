// What changed between two states, as the panel of an event shows it: `node --test tests/unit/`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { compare, textParts, tally } = await source("elements/event/diff.ts");
const { Digits, parseExact } = await source("proof/json.ts");

/** A change as lines: sign, path, what was and what is. */
function lines(change, path = "") {
  const name = change.name === null ? path : `${path}/${change.name}`;
  const own = change.reordered ? [`~ ${name} reordered`] : [];
  if (change.children.length) return [...own, ...change.children.flatMap((child) => lines(child, name))];
  const sign = { same: "=", added: "+", removed: "-", changed: "±" }[change.state];
  return [...own, [sign, name, ...["before", "after"].filter((side) => side in change).map((side) => JSON.stringify(change[side]))].join(" ")];
}

const differs = (before, after, expected) => assert.deepEqual(lines(compare(before, after)), expected);

test("members that came, went, changed and stayed, however deep", () => {
  differs({ a: 1, b: 2, c: { d: 1, e: { f: "x" } } }, { b: 3, c: { d: 1, e: { f: "y", g: [] } }, h: {} }, [
    "- /a 1", "± /b 2 3", "= /c/d 1 1", '± /c/e/f "x" "y"', "+ /c/e/g []", "+ /h {}",
  ]);
});

test("null is something, and not being there is nothing", () => {
  differs({ a: null, b: 1 }, { b: null, c: null }, ["- /a null", "± /b 1 null", "+ /c null"]);
  differs(undefined, undefined, ["= "]);
  differs(null, { a: 1 }, ['±  null {"a":1}']);
});

test("another type is a change, also where it reads the same", () => {
  differs({ a: "5", b: 1, c: [], d: 0 }, { a: 5, b: true, c: {}, d: null }, ['± /a "5" 5', "± /b 1 true", "± /c [] {}", "± /d 0 null"]);
});

test("names that objects have by themselves are names as any other", () => {
  const before = JSON.parse('{"__proto__":1,"constructor":2}');
  differs(before, JSON.parse('{"toString":3}'), ["- /__proto__ 1", "- /constructor 2", "+ /toString 3"]);
});

test("numbers differ by their digits", () => {
  const [one, other] = ['{"n":9007199254740993,"m":1.50}', '{"n":9007199254740992,"m":1.5}'].map((text) => parseExact(text));
  assert.equal(compare(one, other).children.filter((child) => child.state === "changed").length, 2);
  assert.equal(compare({ n: new Digits("1.50") }, { n: new Digits("1.50") }).state, "same");
});

test("items that an id, a key or a name tells apart are compared with themselves", () => {
  differs([{ id: 1, v: "a" }, { id: 2, v: "b" }, { id: 3, v: "c" }], [{ id: 2, v: "B" }, { id: 3, v: "c" }, { id: 4, v: "d" }], [
    '- /0 {"id":1,"v":"a"}', "= /0/id 2 2", '± /0/v "b" "B"', '= /1 {"id":3,"v":"c"} {"id":3,"v":"c"}', '+ /2 {"id":4,"v":"d"}',
  ]);
  differs([{ name: "x", n: 1 }, { name: "y" }], [{ name: "y" }, { name: "x", n: 1 }], [
    "~  reordered", '= /0 {"name":"y"} {"name":"y"}', '= /1 {"name":"x","n":1} {"name":"x","n":1}',
  ]);
});

test("items without one: equal ones stay, objects between them change, others go and come", () => {
  differs(["a", "b", "c"], ["a", "c", "d"], ['= /0 "a" "a"', '- /1 "b"', '= /1 "c" "c"', '+ /2 "d"']);
  differs([{ a: 1 }, { a: 1 }], [{ a: 1 }, { a: 2 }], ['= /0 {"a":1} {"a":1}', "± /1/a 1 2"]);
  differs([1, [2]], [[3], 1], ["+ /0 [3]", "= /1 1 1", "- /1 [2]"]);
  differs([], [null], ["+ /0 null"]);
});

test("each item of both lists is shown exactly once, whatever they hold", () => {
  const pick = random(7);
  const value = (depth) => [() => pick(3), () => `t${pick(3)}`, () => null, () => ({ id: pick(4), v: pick(2) }), () => (depth ? list(depth - 1) : [])][pick(5)]();
  const list = (depth) => Array.from({ length: pick(7) }, () => value(depth));
  for (let round = 0; round < 500; round++) {
    const [before, after] = [list(1), list(1)];
    const change = compare(before, after);
    if (!change.children.length) continue;
    const side = (name) => change.children.filter((child) => name in child).map((child) => JSON.stringify(child[name])).sort();
    assert.deepEqual(side("before"), before.map((item) => JSON.stringify(item)).sort());
    assert.deepEqual(side("after"), after.map((item) => JSON.stringify(item)).sort());
  }
});

test("texts differ by words, and both can be read from the parts", () => {
  const [before, after] = ["The old keynote of the year", "The new keynote of the decade"];
  const parts = textParts(before, after);
  const read = (other) => parts.filter((part) => part.state !== other).map((part) => part.text).join("");
  assert.equal(read("added"), before);
  assert.equal(read("removed"), after);
  assert.deepEqual(parts.filter((part) => part.state === "added").map((part) => part.text), ["new", "decade"]);
});

test("texts with little in common, and long ones, are shown one after the other; many lines by lines", () => {
  assert.equal(textParts("alpha beta", "gamma delta"), null);
  assert.equal(textParts("", "anything"), null);
  assert.equal(textParts("x".repeat(15_000), "y".repeat(15_000)), null);
  const page = Array.from({ length: 2_000 }, (_, n) => `line ${n} of a long page`);
  const parts = textParts(page.join("\n"), page.with(1_000, "another line").join("\n"));
  assert.deepEqual(parts.map((part) => part.state), ["same", "removed", "added", "same"]);
});

test("large states take no longer than somebody waits", () => {
  const started = performance.now();
  const words = (seed) => Array.from({ length: 1_500 }, random(seed)).join(" ");
  textParts(Array.from({ length: 3_000 }, (_, n) => n * 7).join(" ").slice(0, 9_900), Array.from({ length: 3_000 }, (_, n) => n * 11).join(" ").slice(0, 9_900));
  compare(Array.from({ length: 40_000 }, (_, n) => n), Array.from({ length: 40_000 }, (_, n) => n * 3));
  textParts(words(1), words(2));
  assert.ok(performance.now() - started < 5_000, `${performance.now() - started} ms`);
});

test("what is said of a whole: how many came, went and changed", () => {
  assert.deepEqual(tally(compare({ a: 1, b: { c: 1, d: 2 } }, { b: { c: 2 }, e: 1 })), { same: 0, added: 1, removed: 2, changed: 1 });
});

/** Numbers below n, the same at each run. */
function random(seed) {
  let state = seed;
  return (n = 1_000) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % (typeof n === "number" ? n : 1_000);
  };
}
