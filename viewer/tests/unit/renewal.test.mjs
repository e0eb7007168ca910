// When the page of a product is told that its element needs another token.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { Renewal } = await source("embed/renewal.ts");

const START = 1_790_000_000_000;
const MINUTE = 60_000;

/** A renewal under a clock of the test's own; `told` holds each telling with its time in seconds. */
function renewal(t, { waits = () => true, random = () => 1, onTell = () => {} } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: START });
  const told = [];
  const one = new Renewal((reason) => {
    told.push(`${reason} ${(Date.now() - START) / 1000}`);
    onTell(one);
  }, waits, random);
  return { one, told, tick: (ms) => { for (let left = ms; left > 0; left -= 500) t.mock.timers.tick(Math.min(500, left)); } };
}

test("the end of a token is told of a minute before, once", (t) => {
  const { one, told, tick } = renewal(t);
  one.given("a", START + 30 * MINUTE);
  one.given("a", START + 30 * MINUTE);
  tick(40 * MINUTE);
  one.given("a", START + 60 * MINUTE);
  tick(60 * MINUTE);
  assert.deepEqual(told, [`expires ${29 * 60}`]);
});

test("tokens of one minute are asked for twice a minute and no oftener", (t) => {
  let n = 0;
  const { one, told, tick } = renewal(t, { onTell: (one) => one.given(`t${n++}`, Date.now() + MINUTE) });
  one.given("first", START + MINUTE);
  tick(3 * MINUTE);
  assert.deepEqual(told, ["expires 30", "expires 60", "expires 90", "expires 120", "expires 150", "expires 180"]);
});

test("a clock that runs ahead asks for nothing by itself once tokens end as they come", (t) => {
  const { one, told, tick } = renewal(t);
  for (const ends of [START - 30 * MINUTE, START]) {
    one.given(`ends ${ends}`, ends);
    tick(10 * MINUTE);
  }
  assert.deepEqual(told, []);
  one.need("refused");
  tick(500);
  assert.deepEqual(told, ["refused 1200"]);
});

test("a clock that runs a little ahead gives each token half a minute", (t) => {
  const { one, told, tick } = renewal(t);
  one.given("a", START + 5_000);
  tick(29_500);
  assert.deepEqual(told, []);
  tick(1_000);
  assert.deepEqual(told, ["expires 30"]);
});

test("while requests wait it is told again, at first soon, then seldom", (t) => {
  const { one, told, tick } = renewal(t);
  one.given("a", null);
  for (let n = 0; n < 5; n++) one.need("refused");
  tick(10 * MINUTE);
  assert.deepEqual(told, [0, 10, 30, 70, 150, 270, 390, 510].map((at) => `refused ${at}`));
});

test("readers of one page do not all ask at once", (t) => {
  const { one, told, tick } = renewal(t, { random: () => 0 });
  one.need("missing");
  tick(30_000);
  assert.deepEqual(told, ["missing 0", "missing 5", "missing 15"]);
});

test("when nothing waits any more nothing is told", (t) => {
  let waits = true;
  const { one, told, tick } = renewal(t, { waits: () => waits });
  one.need("missing");
  tick(500);
  waits = false;
  tick(10 * MINUTE);
  assert.deepEqual(told, ["missing 0"]);
});

test("a new token ends the tellings", (t) => {
  const { one, told, tick } = renewal(t);
  one.need("missing");
  tick(500);
  one.given("a", null);
  one.taken();
  tick(10 * MINUTE);
  assert.deepEqual(told, ["missing 0"]);
  one.need("refused");
  assert.deepEqual(told.slice(1), ["refused 600.5"]);
});

test("tokens that are refused as they come are asked for ever more seldom", (t) => {
  let n = 0;
  const { one, told, tick } = renewal(t, {
    onTell: (one) => {
      one.given(`t${n++}`, null);
      one.need("refused");
    },
  });
  one.need("refused");
  tick(10 * MINUTE);
  assert.deepEqual(told, [0, 10, 30, 70, 150, 270, 390, 510].map((at) => `refused ${at}`));
});

test("after it is stopped nothing is told", (t) => {
  const { one, told, tick } = renewal(t);
  one.given("a", START + 5 * MINUTE);
  one.need("refused");
  one.stop();
  tick(10 * MINUTE);
  assert.deepEqual(told, ["refused 0"]);
});
