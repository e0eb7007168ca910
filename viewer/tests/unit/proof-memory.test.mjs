// What a browser remembers of logs between visits: `node --test tests/unit/`.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { source } from "./source.mjs";

const { forget, nameOf, recall, remember } = await source("proof/memory.ts");

const root = `${"A".repeat(43)}=`;
const seen = (size, at, witnesses = {}) => ({ origin: "o", publicKey: "k", size, root, since: at, at, witnesses });

beforeEach(() => {
  // Items of a real store are its own properties too.
  const methods = {
    getItem(name) { return Object.hasOwn(this, name) ? this[name] : null; },
    setItem(name, text) { this[name] = text; },
    removeItem(name) { delete this[name]; },
  };
  globalThis.localStorage = Object.create(methods);
  globalThis.location = { origin: "https://log.example" };
});

test("a log is remembered by its server and tenant", () => {
  assert.equal(nameOf("", "o"), nameOf("https://log.example", "o"));
  assert.notEqual(nameOf("https://other.example", "o"), nameOf("", "o"));
  assert.equal(recall(nameOf("", "o")), null);
  remember(nameOf("", "o"), seen(5, "2026-11-01T00:00:00Z"), null);
  assert.deepEqual(recall(nameOf("", "o")), seen(5, "2026-11-01T00:00:00Z"));
  forget(nameOf("", "o"));
  assert.equal(recall(nameOf("", "o")), null);
});

test("what is remembered is when it was first, all witnesses and the highest quorum", () => {
  const name = nameOf("", "o");
  const also = (more, quorum) => remember(name, quorum ? { ...more, quorum } : more, recall(name));
  also(seen(5, "2026-11-01T00:00:00Z", { w1: "key1" }), 2);
  also(seen(9, "2026-11-02T00:00:00Z", { w2: "key2" }), 1);
  also(seen(9, "2026-11-03T00:00:00Z"));
  const { size, since, at, witnesses, quorum } = recall(name);
  assert.deepEqual({ size, since, at, quorum }, { size: 9, since: "2026-11-01T00:00:00Z", at: "2026-11-03T00:00:00Z", quorum: 2 });
  assert.deepEqual(witnesses, { w1: "key1", w2: "key2" });
});

test("what another tab learnt meanwhile is not written over by what was never compared with it", () => {
  const name = nameOf("", "o");
  remember(name, seen(5, "2026-11-01T00:00:00Z"), null);
  const before = recall(name);
  remember(name, seen(9, "2026-11-02T00:00:00Z"), before);
  for (const compared of [null, before]) remember(name, { ...seen(10, "2026-11-03T00:00:00Z"), publicKey: "other" }, compared);
  assert.deepEqual([recall(name).size, recall(name).publicKey], [9, "k"]);
});

test("what cannot be read is not taken for a first visit", () => {
  const name = nameOf("", "o");
  for (const text of ["", "{", "null", "{}", JSON.stringify({ ...seen(5, "x"), root: "short" }), JSON.stringify({ ...seen(5, "x"), size: "5" }), JSON.stringify({ ...seen(5, "x"), quorum: "2" })]) {
    localStorage.setItem(name, text);
    assert.throws(() => recall(name), text);
    assert.throws(() => remember(name, seen(6, "y"), null), text);
  }
  delete globalThis.localStorage;
  assert.throws(() => recall(name));
});

test("only so many logs are remembered: those seen longest ago go", () => {
  for (let n = 0; n < 220; n++) remember(nameOf("", `log ${n}`), seen(1, new Date(Date.UTC(2026, 0, 1 + n)).toISOString()), null);
  assert.equal(Object.keys(localStorage).length, 200);
  assert.equal(recall(nameOf("", "log 19")), null);
  assert.equal(recall(nameOf("", "log 20")).size, 1);
});
