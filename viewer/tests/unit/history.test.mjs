// Histories of a target, folded by hand: `node --test tests/unit/history.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { flatten, fold, labelOf, lookAt, stepOf } = await source(
  "history/flat.ts", "history/fold.ts", "history/moment.ts", "history/step.ts",
);

const VIDEO = { type: "video", id: "v9" };
const day = (n) => `2026-03-${String(n).padStart(2, "0")}T10:00:00.000000Z`;

/** An event on a day of March: by default an update of the video by Ana. */
function event(n, changes, more = {}) {
  return {
    id: `e${n}`, position: n, received_at: day(n), occurred_at: day(n), action: "video.update", operation: "update",
    actor: { id: "ana" }, targets: [{ type: "video", id: "v9" }], changes, ...more,
  };
}
const creation = (n, changes) => event(n, changes, { action: "video.create", operation: "create" });
const deletion = (n, changes) => event(n, changes, { action: "video.delete", operation: "delete" });

/** What is known on a day, as short texts. */
function seen(events, n) {
  const look = lookAt(fold(events, VIDEO), n === null ? null : day(n));
  if (!("fields" in look)) return look.is;
  const known = (value) => (value === "absent" ? "absent" : JSON.stringify(value.value));
  const text = (field) =>
    ({
      value: () => JSON.stringify(field.value),
      until: () => `${JSON.stringify(field.value)} until ${field.span.to.event}`,
      conflict: () => `${known(field.value)} then ${known(field.later)}`,
    })[field.is]?.() ?? field.is;
  return Object.fromEntries(look.fields.map((field) => [labelOf(field.key), text(field)]));
}

/** Who set a field, on a day. */
function setBy(events, path, n) {
  const { fields } = lookAt(fold(events, VIDEO), day(n));
  const { span } = fields.find((field) => labelOf(field.key) === path);
  return span.set ? span.from.event : null;
}

test("a state is taken apart at its objects; lists and empty objects are values", () => {
  const flat = flatten({ a: { b: 1, "odd.key": [1, { c: 2 }] }, d: {}, e: null });
  assert.deepEqual([...flat].map(([key, value]) => [labelOf(key), value]), [["a.b", 1], ['a."odd.key"', [1, { c: 2 }]], ["d", {}], ["e", null]]);
  assert.deepEqual([...flatten("x")], [["[]", "x"]]);
  assert.equal(flatten({}).size, 0);
});

test("a change tells what was before it and what is after it", () => {
  const events = [event(5, { before: { name: "Draft" }, after: { name: "Keynote" } })];
  assert.deepEqual(seen(events, 4), { name: '"Draft" until e5' });
  assert.deepEqual(seen(events, 5), { name: '"Keynote"' });
  assert.equal(setBy(events, "name", 9), "e5");
});

test("events are told in the order in which they occurred, whatever order they come in", () => {
  const events = [event(7, { before: { n: 2 }, after: { n: 3 } }), event(3, { before: { n: 1 }, after: { n: 2 } })];
  assert.deepEqual(seen(events, 5), { n: "2" });
  assert.deepEqual(fold(events, VIDEO).points, [day(3), day(7)]);
});

test("one instant is told in the order of positions", () => {
  const events = [event(4, { after: { n: 2 } }, { occurred_at: day(1) }), event(2, { after: { n: 1 } }, { occurred_at: day(1) })];
  assert.deepEqual(seen(events, 1), { n: "2" });
});

test("where no time was sent, that of receipt counts", () => {
  const sent = event(2, { after: { n: 1 } });
  delete sent.occurred_at;
  assert.deepEqual(fold([sent], VIDEO).points, [day(2)]);
});

test("a field is added and removed where one side lacks it", () => {
  const events = [event(2, { before: {}, after: { tag: "a" } }), event(4, { before: { tag: "a" }, after: {} })];
  assert.deepEqual(seen(events, 1), { tag: "absent" });
  assert.deepEqual(seen(events, 3), { tag: '"a"' });
  assert.deepEqual(seen(events, 5), { tag: "absent" });
});

test("without a before nothing is known of before; without an after nothing of after", () => {
  const events = [event(2, { after: { a: 1 } }), event(4, { before: { b: 2 } })];
  assert.deepEqual(seen(events, 1), { a: "unknown", b: '2 until e4' });
  assert.deepEqual(seen(events, 5), { a: "1", b: "unknown" });
});

test("a change that the log does not have shows as one that is missing", () => {
  const events = [event(2, { before: { n: 1 }, after: { n: 2 } }), event(6, { before: { n: 5 }, after: { n: 6 } })];
  assert.deepEqual(seen(events, 3), { n: "2 then 5" });
  assert.deepEqual(seen(events, 6), { n: "6" });
});

test("only a whole state says that there are no other fields", () => {
  const partial = lookAt(fold([event(2, { after: { a: 1 } })], VIDEO), null);
  assert.equal(partial.whole, null);
  const events = [event(2, { after: { a: 1 }, complete: true }), event(4, { before: { b: 1 }, after: { b: 2 } }), event(6, { after: { c: 1 } })];
  const look = lookAt(fold(events, VIDEO), null);
  assert.equal(look.whole.event, "e2");
  assert.deepEqual(seen(events, 3), { a: "1", b: "absent then 1", c: "absent" });
  assert.deepEqual(seen(events, 1), { a: "unknown", b: "unknown", c: "unknown" });
  assert.deepEqual(seen(events, 7), { a: "1", b: "2", c: "1" });
});

test("a whole state ends what it does not name, and names what it did not set", () => {
  const events = [event(2, { after: { a: 1, b: 1 } }), event(4, { before: { a: 1, c: 3 }, after: { a: 2, c: 3 }, complete: true })];
  assert.deepEqual(seen(events, 3), { a: "1", b: "1 then absent", c: '3 until e4' });
  assert.deepEqual(seen(events, 4), { a: "2", b: "absent", c: "3" });
  assert.equal(setBy(events, "a", 5), "e4");
  assert.equal(setBy(events, "c", 5), null);
});

test("who set what a first whole state names is not known; what the next one has otherwise is its doing", () => {
  const events = [event(2, { after: { a: 1, b: 1 }, complete: true }), event(4, { after: { a: 2, b: 1 }, complete: true })];
  assert.equal(setBy(events, "a", 3), null);
  assert.equal(setBy(events, "a", 4), "e4");
  assert.equal(setBy(events, "b", 4), null);
});

test("a whole state that tells only what was leaves unknown what is", () => {
  const events = [event(2, { after: { a: 1 }, complete: true }), event(4, { before: { a: 1 }, complete: true })];
  assert.equal(lookAt(fold(events, VIDEO), day(3)).whole.event, "e2");
  assert.equal(lookAt(fold(events, VIDEO), day(5)).whole, null);
  assert.deepEqual(seen(events, 5), { a: "unknown" });
});

test("what was erased in part is no whole state any more", () => {
  const erased = event(2, { after: { a: 1 }, complete: true }, { derived: { erased: [7] } });
  assert.equal(lookAt(fold([erased], VIDEO), null).whole, null);
});

test("where something is hidden no state is whole", () => {
  const history = fold([event(2, { after: { a: 1 }, complete: true })], VIDEO, { hidden: true });
  assert.equal(lookAt(history, null).whole, null);
});

test("a value that is set again to the same keeps who set it first", () => {
  const events = [event(2, { after: { a: 1 } }), event(4, { after: { a: 1 } }), event(6, { before: { a: 1, b: 1 }, after: { a: 1, b: 2 }, complete: true })];
  assert.equal(setBy(events, "a", 8), "e2");
  assert.equal(fold(events, VIDEO).lives[0].fields.get('["a"]').length, 2);
});

test("nested fields are merged by changes, and make room for a value in their place", () => {
  const events = [
    event(2, { after: { opts: { hd: true, lang: "en" } } }),
    event(4, { before: { opts: { lang: "en" } }, after: { opts: { lang: "pt" } } }),
    event(6, { after: { opts: "none" } }),
    event(8, { after: { opts: { hd: false } } }),
  ];
  assert.deepEqual(seen(events, 5), { "opts.hd": "true", "opts.lang": '"pt"', opts: "unknown" });
  assert.deepEqual(seen(events, 7), { "opts.hd": "absent", "opts.lang": "absent", opts: '"none"' });
  assert.deepEqual(seen(events, 9), { "opts.hd": "false", "opts.lang": "absent", opts: "absent" });
});

test("lists are values, and members of objects in them have no order", () => {
  const events = [
    event(2, { before: { tags: ["a"] }, after: { tags: ["a", { x: 1, y: 2 }] } }),
    event(4, { before: { tags: ["a", { y: 2, x: 1 }] }, after: { tags: [] } }),
  ];
  assert.deepEqual(seen(events, 3), { tags: '["a",{"x":1,"y":2}]' });
  assert.deepEqual(seen(events, 4), { tags: "[]" });
});

test("null is a value, and members are not those of the language", () => {
  const events = [event(2, { before: { owner: "u1" }, after: { owner: null, constructor: 1 } })];
  assert.deepEqual(seen(events, 2), { owner: "null", constructor: "1" });
  assert.deepEqual(seen(events, 1), { owner: '"u1" until e2', constructor: "absent" });
});

test("a state that is no object is one field", () => {
  const events = [event(2, { before: 20, after: 40, complete: true })];
  assert.deepEqual(seen(events, 1), { "": "20 until e2" });
  assert.deepEqual(seen(events, 2), { "": "40" });
});

test("before its creation there was nothing", () => {
  const events = [creation(2, { after: { name: "A" } }), event(4, { before: { size: 1 }, after: { size: 2 } })];
  assert.equal(seen(events, 1), "not_created");
  assert.deepEqual(seen(events, 2), { name: '"A"', size: "1 until e4" });
  assert.equal(setBy(events, "name", 3), "e2");
});

test("an end is an end, and what comes back is another", () => {
  const events = [
    creation(2, { after: { name: "A", hd: true }, complete: true }),
    deletion(4, { before: { name: "A" } }),
    creation(6, { after: { name: "B" } }),
  ];
  assert.deepEqual(seen(events, 3), { name: '"A"', hd: "true" });
  assert.equal(seen(events, 5), "deleted");
  assert.deepEqual(seen(events, 7), { name: '"B"' });
  assert.equal(lookAt(fold(events, VIDEO), null).whole, null);
});

test("what is changed after its end is there again", () => {
  const events = [deletion(4), event(6, { before: { a: 1 }, after: { a: 2 } })];
  assert.equal(seen(events, 5), "deleted");
  assert.deepEqual(seen(events, 6), { a: "2" });
});

test("the first deletion is the end; a purge later changes no more", () => {
  const look = lookAt(fold([deletion(4), deletion(8)], VIDEO), null);
  assert.equal(look.deleted.event, "e4");
});

test("only the deletion of the thing itself is its end", () => {
  const ends = (action, targets = [{ type: "video", id: "v9" }], subject = VIDEO) =>
    stepOf({ ...deletion(1), action, targets }, subject).deletes;
  assert.equal(ends("video.delete"), true);
  assert.equal(ends("videos.purge"), true);
  assert.equal(ends("s3.DeleteVideo"), true);
  assert.equal(ends("media/videos/delete"), true);
  assert.equal(ends("delete"), true);
  assert.equal(ends("share_link.expire"), false);
  assert.equal(ends("video.tag.remove"), false);
  assert.equal(ends("playlist.video.remove", [{ type: "playlist", id: "p1" }, { type: "video", id: "v9" }]), false);
  assert.equal(ends("video.delete", [{ type: "video", id: "v8" }, { type: "video", id: "v9" }]), true);
  assert.equal(ends("apikey.revoke", [{ type: "api_key", id: "k" }], { type: "api_key", id: "k" }), true);
  assert.equal(stepOf(deletion(1, { after: { deleted: true } }), VIDEO).deletes, false);
});

test("what failed or was denied changed nothing", () => {
  const events = [event(2, { after: { a: 1 } }), event(4, { after: { a: 2 } }, { outcome: { result: "denied" } })];
  assert.deepEqual(seen(events, 5), { a: "1" });
});

test("a snapshot finds and does not set", () => {
  const events = [event(2, { after: { a: 1 } }), event(4, { after: { a: 1, b: 2 }, complete: true }, { operation: "snapshot", action: "snapshot" })];
  assert.deepEqual(seen(events, 3), { a: "1", b: "2 until e4" });
  assert.equal(setBy(events, "b", 5), null);
  assert.equal(setBy(events, "a", 5), "e2");
});

test("changes that do not say what they changed are counted", () => {
  const events = [event(2, { after: { a: 1 }, complete: true }), event(3), event(5), event(6, { after: { a: 2 }, complete: true }), event(8)];
  assert.equal(lookAt(fold(events, VIDEO), day(5)).silent, 2);
  assert.equal(lookAt(fold(events, VIDEO), day(7)).silent, 0);
  assert.equal(lookAt(fold(events, VIDEO), null).silent, 1);
});

test("an event with several targets is told as one that is shared", () => {
  const events = [event(2, { after: { a: 1 } }, { targets: [{ type: "video", id: "v9" }, { type: "video", id: "v8" }, { type: "folder", id: "f" }] })];
  assert.equal(lookAt(fold(events, VIDEO), null).fields[0].span.from.shared, 2);
});

test("an empty history and a moment before all say so", () => {
  assert.deepEqual(lookAt(fold([], VIDEO), null), { is: "before", first: null, fields: [] });
  const look = lookAt(fold([event(2, { before: { a: 1 }, after: { a: 2 } })], VIDEO), day(1));
  assert.equal(look.is, "before");
  assert.equal(look.first.event, "e2");
});

test("too many fields are cut, and it is said", () => {
  const many = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`f${n}`, n]));
  const history = fold([event(1, { after: many })], VIDEO, { fieldsMax: 3 });
  assert.equal(history.cut, true);
  assert.equal(history.lives[0].fields.size, 3);
});
