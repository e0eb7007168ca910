// Views, their addresses, the questions they stand for, and the window over millions of rows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { START, parseView, formatView, question, withTerm, readTyped, termOf, fieldsLike, intervalFor, lengthMs, fieldAt, Window } = await source(
  "view/view.ts", "view/complete.ts", "view/time.ts", "elements/explorer/scroll.ts",
);

const read = (address) => {
  const url = new URL(address, "http://viewer.example");
  return parseView(url.pathname, url.searchParams);
};

/** Views of all kinds. */
const VIEWS = [
  {},
  { page: "access", tenant: "acme", range: { last: "7d" } },
  { range: { since: null, until: null } },
  { range: { since: "2026-01-01T00:00:00.000Z", until: null }, live: true },
  { range: { since: null, until: "2026-01-01T00:00:00.000Z" }, order: "asc", split: "operation" },
  { terms: [{ kind: "is", path: "actor.id", value: "u1" }, { kind: "is", path: "actor.id", value: "a,b&c=d" }, { kind: "not", path: "action", value: "user.login" }] },
  { terms: [{ kind: "is", path: "metadata.plan", value: "pro" }, { kind: "not", path: "metadata.n", value: 5 }, { kind: "is", path: 'metadata."odd key"', value: true }] },
  { terms: [{ kind: "present", path: "changes.after.title" }, { kind: "absent", path: "context.ip" }] },
  { q: "two words", filter: 'actor.id eq "u1" and not (action sw "video.")', event: "01J+/ü" },
  { page: "target", subject: { type: "video", id: "v 9" }, at: "2026-06-01T00:00:00.000Z" },
  { page: "actor", subject: { type: null, id: "u1" } },
];

test("a view's address names the same view", () => {
  for (const part of VIEWS) {
    const view = { ...START, ...part };
    assert.deepEqual(read(formatView(view, "/viewer")), view, formatView(view, "/viewer"));
  }
});

test("an address that means nothing is the view at the start", () => {
  for (const address of ["/viewer", "/viewer?last=soon", "/viewer/elsewhere?is.metadata.x={}&not.metadata.y=&split=x&order=up", "/viewer?is.metadata.x=%7B"]) {
    assert.deepEqual(read(address), START, address);
  }
});

test("known fields are parameters; everything else is one filter", () => {
  const view = read('/viewer?tenant=acme&last=all&actor_id=u1&actor_id=u2&not.action=a"b&is.metadata.n=5&is.metadata.n=6&hasnt=context.ip&filter=x pr or y pr&q=hi');
  const asked = question({ ...view, filter: 'reason pr or category pr' });
  assert.deepEqual(asked.getAll("actor_id"), ["u1", "u2"]);
  assert.equal(asked.get("tenant"), "acme");
  assert.equal(asked.get("q"), "hi");
  assert.equal(asked.get("since"), null);
  assert.equal(asked.get("filter"), '(reason pr or category pr) and action ne "a\\"b" and not (context.ip pr) and (metadata.n eq 5 or metadata.n eq 6)');
});

test("a facet's own choice is left out where its other values are asked for", () => {
  const view = read("/viewer?actor_id=u1&action=a&not.actor_id=u2");
  const asked = question(view, "actor.id");
  assert.equal(asked.get("actor_id"), null);
  assert.equal(asked.get("filter"), null);
  assert.equal(asked.get("action"), "a");
});

test("numbers and flags are written as such in filters, also when they come from an address", () => {
  assert.equal(question(read("/viewer?not.request_status_code=404")).get("filter"), "request.status_code ne 404");
  assert.equal(question(read("/viewer?not.changes_complete=true")).get("filter"), "changes.complete ne true");
});

test("a condition drives out its opposite and does not come twice", () => {
  const is = { kind: "is", path: "action", value: "a" };
  const not = { ...is, kind: "not" };
  assert.deepEqual(withTerm([is], not), [not]);
  assert.deepEqual(withTerm([is], is), [is]);
});

test("what is typed is words, a value of a field, or a filter", () => {
  assert.deepEqual(readTyped("ana keynote"), { kind: "text", text: "ana keynote" });
  assert.deepEqual(readTyped("actor.id:u1"), { kind: "value", path: "actor.id", not: false, text: "u1" });
  assert.deepEqual(readTyped("-actor_id=u 1"), { kind: "value", path: "actor.id", not: true, text: "u 1" });
  assert.deepEqual(readTyped('metadata.plan:"pro"'), { kind: "value", path: "metadata.plan", not: false, text: "pro" });
  assert.equal(readTyped('actor.id eq "u1"').kind, "filter");
  assert.equal(readTyped('targets[type eq "video"]').kind, "filter");
  // Neither a field nor a filter: an address, a sentence, a time.
  for (const text of ["http://x.example", "error: disk full", "10:30", "who is not there"]) assert.equal(readTyped(text).kind, "text", text);
  assert.deepEqual(termOf({ path: "metadata.n", not: false, text: "5" }).value, 5);
  assert.deepEqual(termOf({ path: "actor.id", not: false, text: "5" }).value, "5");
  assert.equal(fieldsLike("targ", (path) => path)[0], "targets.type");
  assert.ok(fieldsLike("context.ip", (path) => path).includes("context.ip"));
  assert.deepEqual(fieldsLike("context.ip", (path) => path, (path) => path === "context.ip"), []);
});

test("bars are neither too many nor of a length that the API does not know", () => {
  for (const last of ["15m", "1h", "24h", "7d", "30d", "90d", "1y"]) assert.match(intervalFor(lengthMs(last)), /^\d+(m|h|d|w|mo)$/);
  assert.equal(intervalFor(lengthMs("30d")), "6h");
  assert.equal(lengthMs("0d"), null);
  assert.equal(lengthMs("999y"), null);
});

test("names in a path are quoted where the grammar needs it, and places in arrays passed through", () => {
  assert.equal(fieldAt(["metadata", "odd key", "0", "x"]).path, 'metadata."odd key".x');
  assert.equal(fieldAt(["targets", "3", "id"]).param, "targets_id");
});

test("a window over more rows than fit goes anywhere and never beyond the ends", () => {
  const window = new Window(1_000);
  window.resize(1_000_000);
  assert.equal(window.rows, 1_000);
  const [px, seen] = [10, 200];
  // The bar is dragged to the end, the middle, the beginning.
  window.scrolled(10_000 - seen, seen, px);
  assert.equal(window.first, 999_000);
  window.scrolled(4_900, seen, px);
  assert.equal(window.first, 499_500);
  window.scrolled(0, seen, px);
  assert.equal(window.first, 0);
  // Step by step to the edge of the window: it moves on, and what is seen stays.
  let at = 0;
  for (let step = 0; step < 400; step++) {
    const row = window.first + at / px;
    at = window.scrolled(at + 100, seen, px) ?? at + 100;
    assert.equal(window.first + at / px, row + 10);
  }
  assert.equal(window.first + at / px, 4_000);
  assert.equal(window.bring(123_456) + window.first, 123_456);
  window.resize(10);
  assert.equal(window.first, 0);
});

test("rows are drawn where they are seen and a few beyond, and none before the first or after the last", () => {
  const window = new Window(1_000);
  window.resize(50);
  assert.deepEqual(window.drawn(0, 200, 10, 0), { first: 0, end: 20 });
  assert.deepEqual(window.drawn(105, 200, 10, 3), { first: 7, end: 34 });
  assert.deepEqual(window.drawn(300, 200, 10, 3), { first: 27, end: 50 });
  // Scrolled beyond the end, as while rows go away.
  assert.deepEqual(window.drawn(9_000, 200, 10, 3), { first: 50, end: 50 });
  window.resize(1_000_000);
  window.bring(500_000);
  assert.deepEqual(window.drawn(0, 200, 10, 3), { first: 499_500, end: 499_523 });
});
