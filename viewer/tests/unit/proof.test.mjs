// What the reader's browser checks, against the known answers in `corpus/vectors`: `node --test tests/unit/`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { flipped, maker, mutations, split } from "./proof-log.mjs";
import { source } from "./source.mjs";

const p = await source("proof/bytes.ts", "proof/json.ts", "proof/merkle.ts", "proof/note.ts", "proof/commitment.ts", "proof/erasure.ts", "proof/check.ts");

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../../corpus/vectors/${name}.json`, import.meta.url), "utf8"));
const bytes = (text) => p.fromHex(text, null, "test");
const refuses = (run, code) => assert.rejects(async () => run(), (error) => error instanceof p.Refused && (!code || error.code === code));
const opened = (units) => units.map(({ name, value, salt }) => ({ name, value, salt }));

for (const { name, event, units, commitment } of vectors("commitment").cases) {
  test(`commitment: ${name}`, async () => {
    for (const unit of units) assert.equal(p.hex(await p.digestOf(unit.digest === undefined ? unit : opened([unit])[0])), unit.digest);
    assert.equal(p.hex(await p.commitmentOf(opened(units))), commitment);
    assert.equal(p.canonical(p.rebuild(opened(units))), event);
    const last = units.at(-1);
    const erased = [...opened(units.slice(0, -1)), { state: "erased", digest: last.digest, by: 9 }];
    if (units.length > 1) assert.equal(p.hex(await p.commitmentOf(erased)), commitment);
  });
}

test("units in another order, twice, without an envelope or with a place that is none are refused", async () => {
  const units = opened(vectors("commitment").cases[0].units);
  await refuses(() => p.commitmentOf([units[1], units[0], ...units.slice(2)]), "opening");
  await refuses(() => p.commitmentOf([units[0], units[1], units[1]]), "opening");
  await refuses(() => p.commitmentOf(units.slice(1)), "opening");
  await refuses(() => p.commitmentOf([]), "opening");
  const salt = "00".repeat(16);
  const places = ["/actor", "/changes", "/targets", "/targets/3", "/targets/00", "/id", "/actor/a/b", "/changes/x", "/context/location", "/x~2", "actor/id"];
  for (const name of places) await refuses(() => p.rebuild([...units, { name, value: "{}", salt }]), "opening");
  const repeated = [["/actor/id", '"a"'], ["/targets/0", '{"type":"x"}'], ["/outcome", '{"result":"failure"}'], ["/context", '{"ip":"1"}'], ["/metadata", '{"big":1}']];
  for (const [name, value] of repeated) await refuses(() => p.rebuild([...units, { name, value, salt }]), "opening");
  for (const value of ['{"b":1,"a":2}', '{"a":1,"a":2}', " 1", '"\\u0061"', "1.0e", "01"]) {
    await refuses(() => p.rebuild([...units, { name: "/zone", value, salt }]), "opening");
  }
});

test("numbers keep their digits, and no text of an event is taken for one", () => {
  const text = '{"a":9007199254740993,"b":1.50,"c":-0,"d":1e400,"e":"7","f":[12,"1.50",1.5],"__proto__":{"x":1}}';
  const value = p.parseExact(text);
  assert.equal(p.canonical(value), '{"__proto__":{"x":1},"a":9007199254740993,"b":1.50,"c":-0,"d":1e400,"e":"7","f":[12,"1.50",1.5]}');
  assert.equal(value.f[0], 12);
  assert.ok(value.b instanceof p.Digits);
  assert.equal(JSON.stringify(JSON.parse(p.pretty(value))), JSON.stringify(JSON.parse(text)));
  for (const wrong of ["01", "1.", "-", "+1", "NaN", "[1,]", '{"a":1e}']) assert.throws(() => p.parseExact(wrong), SyntaxError);
});

for (const one of vectors("entry").cases) {
  test(`entry: ${one.name}`, async () => {
    const body = one.body ?? " ".repeat(one.body_spaces);
    const whole = one.entry ?? `01040000000001a20070c9f0${one.commitment}${p.hex(p.utf8(body))}`;
    const entry = await p.readEntry(bytes(whole));
    assert.deepEqual([entry.kind, entry.class, String(entry.receivedAtMs), p.hex(entry.commitment)], [one.kind, one.class, one.received_at_ms, one.commitment]);
    assert.equal(p.hex(await p.leafHash(bytes(whole))), one.leaf);
    assert.equal(entry.body, body);
    await refuses(() => p.readEntry(bytes(`02${whole.slice(2)}`)), "entry");
    await refuses(() => p.readEntry(bytes(`0107${whole.slice(4)}`)), "entry");
    await refuses(() => p.readEntry(bytes(whole.slice(0, 86))), "entry");
    await refuses(() => p.readEntry(bytes(`${whole}00`)), "entry");
  });
}

const tree = vectors("tree");
const numbered = async (n) => p.leafHash(p.uint(n, 8));
const numberedRoot = async (from, to) => {
  if (to - from === 1) return numbered(from);
  const middle = from + split(to - from);
  return p.sha256(Uint8Array.of(1), await numberedRoot(from, middle), await numberedRoot(middle, to));
};

test("inclusion: every vector, and none with a hash less, more or different, or at another place", async () => {
  const cases = [
    ...(await Promise.all(tree.inclusion.map(async (c) => ({ ...c, leaf: await p.leafHash(bytes(tree.entries[c.position])), root: bytes(tree.roots[c.size]) })))),
    ...(await Promise.all(tree.numbered.inclusion.map(async (c) => ({ ...c, leaf: await numbered(c.position), root: await numberedRoot(0, c.size) })))),
  ];
  for (const { position, size, proof, leaf, root } of cases) {
    const path = proof.map(bytes);
    assert.deepEqual(await p.rootOf(leaf, position, size, path), root);
    const holds = async (...args) => {
      try {
        return p.equal(await p.rootOf(...args), root);
      } catch (error) {
        assert.ok(error instanceof p.Refused);
        return false;
      }
    };
    assert.equal(await holds(leaf, position, size, [...path, root]), false);
    if (path.length) assert.equal(await holds(leaf, position, size, path.slice(1)), false);
    if (path.length) assert.equal(await holds(leaf, position, size, path.slice(0, -1)), false);
    for (let at = 0; at < path.length; at++) assert.equal(await holds(leaf, position, size, path.map((hash, n) => (n === at ? flipped(hash, 5) : hash))), false);
    for (const other of [position - 1, position + 1, size, -1, 0.5]) assert.equal(await holds(leaf, other, size, path), false);
    assert.equal(await holds(flipped(leaf, 0), position, size, path), false);
  }
});

test("consistency: every vector, and none with a hash less, more or different", async () => {
  for (const { size, root } of tree.numbered.roots) assert.equal(p.hex(await numberedRoot(0, size)), root);
  const cases = [
    ...tree.consistency.map((c) => ({ ...c, old: bytes(tree.roots[c.from]), root: bytes(tree.roots[c.to]) })),
    ...(await Promise.all(tree.numbered.consistency.map(async (c) => ({ ...c, old: await numberedRoot(0, c.from), root: await numberedRoot(0, c.to) })))),
  ];
  for (const { from, to, proof, old, root } of cases) {
    const path = proof.map(bytes);
    const check = (older, newer, hashes) => p.checkGrowth({ size: from, root: older }, { size: to, root: newer }, hashes);
    await check(old, root, path);
    await refuses(() => check(flipped(old, 3), root, path), "consistency");
    await refuses(() => check(old, flipped(root, 3), path), "consistency");
    await refuses(() => check(old, root, [...path, root]), "consistency");
    for (let at = 0; at < path.length; at++) {
      await refuses(() => check(old, root, path.filter((_, n) => n !== at)), "consistency");
      await refuses(() => check(old, root, path.map((hash, n) => (n === at ? flipped(hash, 9) : hash))), "consistency");
    }
    // A tree of four times the size is higher: its proof would be longer.
    if (from < to) await refuses(() => p.checkGrowth({ size: from, root: old }, { size: 4 * to, root }, path), "consistency");
    if (from < to) await refuses(() => p.checkGrowth({ size: to, root }, { size: from, root: old }, path), "consistency");
  }
});

test("checkpoints: signed by the log's key, under its origin, as they are written", async () => {
  const { checkpoints, verifier_key, ledger_key } = vectors("checkpoint");
  const key = await p.readKey(verifier_key, "log");
  for (const { size, root, note } of checkpoints) {
    const checkpoint = await p.openCheckpoint(note, key);
    assert.deepEqual([checkpoint.size, p.hex(checkpoint.root), checkpoint.origin], [size, root, key.name]);
    await refuses(() => p.openCheckpoint(note, { ...key, public: flipped(key.public, 1) }), "signature");
    await refuses(() => p.openCheckpoint(note, { ...key, id: flipped(key.id, 1) }), "signature");
    for (const other of [note.slice(0, -1), note.replace("\n\n", "\n"), `${note}\n`, note.replace(/\n\d+\n/, (line) => `\n0${line.slice(1)}`), note.replaceAll("\n", "\r\n")]) {
      await refuses(() => p.openCheckpoint(other, key));
    }
  }
  await refuses(async () => p.openCheckpoint(checkpoints[0].note, await p.readKey(ledger_key, "log")), "origin");
  for (const wrong of [verifier_key.replace(/\+[0-9a-f]{8}\+/, "+00000000+"), `${verifier_key}=`, verifier_key.slice(0, -4), "", "a+b+c"]) {
    await refuses(() => p.readKey(wrong, "log"), "key");
  }
  await refuses(() => p.readKey(verifier_key, "witness"), "key");
});

test("receipts: every vector leads from its entry to the signed root", async () => {
  const { cases, verifier_key } = vectors("tlog-proof");
  const key = await p.readKey(verifier_key, "log");
  for (const { entry, text } of cases) {
    const receipt = p.parseReceipt(text);
    const checkpoint = await p.openCheckpoint(receipt.checkpoint, key);
    const root = await p.rootOf(await p.leafHash(bytes(entry)), receipt.position, checkpoint.size, receipt.path);
    assert.deepEqual(root, checkpoint.root);
    for (const wrong of [text.replace("@v1", "@v2"), text.replace("index ", "index 0"), text.replace("index ", "index -"), text.slice(text.indexOf("\n") + 1)]) {
      await refuses(() => p.parseReceipt(wrong), "receipt");
    }
  }
});

const cosignatures = vectors("cosignature");

test("cosignatures: both witnesses, no other key, no other time, no other text", async () => {
  const key = await p.readKey(cosignatures.verifier_key, "log");
  const cosigned = await p.openCheckpoint(cosignatures.cosigned, key);
  const bare = await p.openCheckpoint(cosignatures.checkpoint, key);
  for (const { witness_key, time } of cosignatures.witnesses) {
    const witness = await p.readKey(witness_key, "witness");
    assert.equal(await p.cosignedAt(cosigned, witness), time);
    assert.equal(await p.cosignedAt(bare, witness), null);
    await refuses(() => p.cosignedAt(cosigned, { ...witness, public: flipped(witness.public, 2) }), "cosignature");
    const lines = cosigned.note.lines.map((line) => ({ ...line, rest: line.name === witness.name ? flipped(line.rest, 7) : line.rest }));
    await refuses(() => p.cosignedAt({ ...cosigned, note: { ...cosigned.note, lines } }, witness), "cosignature");
    await refuses(() => p.cosignedAt({ ...cosigned, note: { ...cosigned.note, text: cosigned.note.text.replace("1000", "1001") } }, witness), "cosignature");
  }
});

// ── the three lines, over a log that is made here from a vector's event ─────────────────────────

const { madeLog, structuredCloned, witness } = maker(p, vectors("commitment").cases[0]);
const example = vectors("commitment").cases[0];
const log = await madeLog();

test("in the log: the whole way from what is shown to the signed root", async () => {
  const found = await p.checkInLog(log.event, log.opening, log.receipt, log.info);
  assert.deepEqual([found.state, found.code, found.position, found.size, found.units, found.erased], ["good", "good", 3, 8, 16, 0]);
});

test("in the log: what was erased is named and never green, and the rest is checked", async () => {
  const units = log.opening.units.map((unit, at) => (at === 1 ? { state: "erased", digest: example.units[1].digest, by: 5 } : unit));
  const event = structuredCloned(log.event);
  delete event.actor.email;
  event.derived = { erased: [5] };
  const found = await p.checkInLog(event, { ...log.opening, units }, log.receipt, log.info);
  assert.deepEqual([found.state, found.code, found.erased, found.erasedBy], ["partly", "erased_unstated", 1, [5]]);
  assert.deepEqual(found.gone, [{ count: 1, after: "", before: "/actor/id" }]);
  const shown = await p.checkInLog({ ...log.event, derived: { erased: [5] } }, { ...log.opening, units }, log.receipt, log.info);
  assert.deepEqual([shown.state, shown.code], ["bad", "differs"]);
});

/** The worked example without its actor's address, id and name, and without the first target; entry 5 may say so. */
const AS = "erased-7f3a";
const ERASES = { approvals: 1, approvals_required: 1, erased: [{ as: AS, runs: [[0, 1], [3, 4]], units: [1, 2, 3, 13] }] };
const GONE = new Map([[1, null], [2, { name: "/actor/id", value: `"${AS}"` }], [3, null], [13, { name: "/targets/0", value: `{"id":"${AS}"}` }]]);

async function erased({ says = ERASES, kind = 2, gone = GONE, by = 5, listed = [by], had = true } = {}) {
  const made = await madeLog({ says: p.canonical({ metadata: says }), kind });
  const units = made.opening.units.map((unit, at) => {
    if (!gone.has(at)) return unit;
    return { state: "erased", digest: example.units[at].digest, by, ...(gone.get(at) && { stands_in: gone.get(at) }) };
  });
  const event = { ...p.rebuild(units), position: 3, received_at: made.event.received_at, derived: { erased: listed } };
  return p.checkInLog(event, { ...made.opening, units }, made.receipt, made.info, had ? made.statement : async () => null);
}

test("in the log: an erasure counts as one where an approved entry of the same log states it, and what stands in", async () => {
  const of = async (given) => {
    const { state, code } = await erased(given);
    return `${state} ${code}`;
  };
  const found = await erased();
  assert.deepEqual([found.state, found.code, found.erased], ["partly", "erased", 4]);
  assert.deepEqual(found.gone, [
    { count: 2, after: "", before: "/actor/type" }, { name: "/actor/id", reads: `"${AS}"` }, { name: "/targets/0", reads: `{"id":"${AS}"}` },
  ]);
  assert.equal(await of({ had: false }), "partly erased_unstated");
  for (const by of [5.5, 3, 2, -1, "5"]) assert.equal(await of({ by }), "bad unlisted");
  for (const listed of [[], [4], null, "5", ["5"]]) assert.equal(await of({ listed }), "bad unlisted");
  assert.equal(await of({ by: 8 }), "partly erased_unstated", "behind the signed size");
  assert.equal(await of({ by: 6 }), "bad entry", "an entry that is none");
  assert.equal(await of({ kind: 3 }), "bad erasure");
  for (const wrong of [{ approvals: 0 }, { approvals: "1" }, { erased: [] }, { erased: [{ ...ERASES.erased[0], runs: [[4, 9]] }] }, { erased: [{ ...ERASES.erased[0], units: [1, 2, 3] }] }, { erased: [{ ...ERASES.erased[0], as: "Ada" }] }]) {
    assert.equal(await of({ says: { ...ERASES, ...wrong } }), "bad erasure", JSON.stringify(wrong));
  }
  const instead = (at, name, value) => of({ gone: new Map(GONE).set(at, { name, value }) });
  assert.equal(await instead(2, "/actor/id", '"Eva"'), "bad erasure");
  assert.equal(await instead(3, "/actor/name", '"Eva"'), "bad stand_in");
  assert.equal(await instead(3, "/description", '"Eva did it"'), "bad stand_in");
  assert.equal(await instead(13, "/targets/0", '{"id":"erased-7f3a","name":"Eva"}'), "bad stand_in");
  assert.equal(await instead(15, "/targets/1", `{"id":"${AS}"}`), "bad opening", "out of order");
});

test("in the log: an erasure's entry that is not in the signed tree states nothing", async () => {
  const other = await madeLog({ says: p.canonical({ metadata: ERASES }), salt: 2 });
  const made = await madeLog();
  const units = made.opening.units.map((unit, at) => (GONE.has(at) ? { state: "erased", digest: example.units[at].digest, by: 5, stands_in: GONE.get(at) ?? undefined } : unit));
  const event = { ...p.rebuild(units), position: 3, received_at: made.event.received_at, derived: { erased: [5] } };
  const check = async (statement) => (await p.checkInLog(event, { ...made.opening, units }, made.receipt, made.info, statement)).state;
  assert.equal(await check(other.statement), "bad");
  assert.equal(await check(async () => ({ entry: "", hashes: [] })), "bad");
  assert.equal(await check(async () => ({ ...(await other.statement(5, 8)), hashes: null })), "bad");
});

test("in the log: any value, digit, name or place that is shown otherwise is bad", async () => {
  const change = (path, value) => {
    const event = structuredCloned(log.event);
    const last = path.at(-1);
    const owner = path.slice(0, -1).reduce((object, name) => object[name], event);
    if (value === undefined) delete owner[last];
    else owner[last] = value;
    return event;
  };
  const shown = [
    [["actor", "name"], "Eva"], [["metadata", "price"], 1.5], [["metadata", "big"], 9007199254740992], [["metadata", "big"], "9007199254740993"],
    [["metadata", "price"], undefined], [["metadata", "more"], null], [["targets", 1], undefined], [["x_other"], 1], [["outcome", "result"], "denied"],
    [["changes", "complete"], false], [["x_legacy", 1, "b"], 0], [["leaf"], "x"],
  ];
  for (const [path, value] of shown) {
    const found = await p.checkInLog(change(path, value), log.opening, log.receipt, log.info);
    assert.equal(found.state, "bad", path.join("."));
  }
  assert.equal((await p.checkInLog(change(["position"], 4), log.opening, log.receipt, log.info)).code, "position");
  assert.equal((await p.checkInLog(change(["received_at"], "2026-11-21T23:28:42Z"), log.opening, log.receipt, log.info)).code, "received");
  for (const time of ["2026-11-21T23:28:41.457Z", "2026-11-21T23:28:41Z", "21 Nov 2026 23:28:41.456 UTC", "", 1795303721456]) {
    assert.equal((await p.checkInLog(change(["received_at"], time), log.opening, log.receipt, log.info)).code, "received");
  }
});

test("in the log: an event without a time of its own occurred when the log received it", async () => {
  const body = '{"action":"annals.erasure.erase","actor":{"id":"annals","type":"system"},"id":"s1"}';
  const made = await madeLog({ body });
  const check = async (occurred_at, more = {}) => {
    const event = { ...p.parseExact(body), position: 3, received_at: log.event.received_at, derived: { occurred_at }, ...more };
    const { state, code } = await p.checkInLog(event, made.opening, made.receipt, made.info);
    return `${state} ${code}`;
  };
  assert.equal(await check("2026-11-21T23:28:41.456789Z"), "good good");
  assert.equal(await check("2026-11-21T23:28:41.456Z"), "good good");
  for (const time of ["2026-11-21T23:28:41.455Z", "2025-11-21T23:28:41.456789Z", "yesterday", null]) assert.equal(await check(time), "bad occurred");
});

test("in the log: no flipped bit of what the server gives is good", async () => {
  const state = async (opening, receipt, info) => (await p.checkInLog(log.event, opening, receipt, info)).state;
  for (const text of mutations(log.opening.entry)) assert.equal(await state({ ...log.opening, entry: text }, log.receipt, log.info), "bad");
  for (const text of mutations(log.receipt)) assert.equal(await state(log.opening, text, log.info), "bad", text);
  for (const text of mutations(log.info.public_key)) assert.equal(await state(log.opening, log.receipt, { ...log.info, public_key: text }), "bad");
  for (const [at, unit] of log.opening.units.entries()) {
    for (const member of ["name", "value", "salt"]) {
      for (const text of mutations(unit[member])) {
        const units = log.opening.units.with(at, { ...unit, [member]: text });
        assert.equal(await state({ ...log.opening, units }, log.receipt, log.info), "bad", `${unit.name} ${member} ${text}`);
      }
    }
  }
  assert.equal(await state(log.opening, log.receipt, { ...log.info, origin: "other.example/t/0" }), "bad");
  assert.equal(await state({ ...log.opening, position: 4 }, log.receipt, log.info), "bad");
  assert.equal(await state({ ...log.opening, units: [] }, log.receipt, log.info), "bad");
});

test("in the log: a statement is its entry's body", async () => {
  const body = '{"action":"annals.erasure.erase","actor":{"id":"annals","type":"system"},"id":"s1"}';
  const made = await madeLog({ body });
  const event = { ...p.parseExact(body), position: 3, received_at: log.event.received_at, derived: {}, kind: "erasure" };
  assert.equal((await p.checkInLog(event, made.opening, made.receipt, made.info)).state, "good");
  assert.equal((await p.checkInLog({ ...event, id: "s2" }, made.opening, made.receipt, made.info)).code, "differs");
});

const memoryOf = (from, size, extra = {}) => ({
  origin: from.info.origin, publicKey: from.info.public_key, size, root: p.base64(from.roots[size]),
  since: "2026-11-01T00:00:00Z", at: "2026-11-02T00:00:00Z", witnesses: {}, ...extra,
});
const noteOf = ({ receipt }) => async () => p.parseReceipt(receipt).checkpoint;
const none = async () => assert.fail("no proof is needed");

test("same log: first seen, grown, the same, shorter, another root, another key, a wrong proof", async () => {
  const check = (memory, consistency = none) => p.checkSameLog(memory, noteOf(log), log.info, consistency);
  const of = async (...args) => {
    const { state, code } = await check(...args);
    return `${state} ${code}`;
  };
  assert.deepEqual((await check(null)).tree, { size: 8, root: p.base64(log.roots[8]) });
  assert.equal(await of(null), "neutral first");
  assert.equal(await of(memoryOf(log, 8)), "good good");
  const asked = [];
  const proof = async (from, to) => asked.push([from, to]) && log.growth(from, to);
  for (const size of [1, 2, 3, 4, 5, 6, 7]) assert.equal(await of(memoryOf(log, size), proof), "good good");
  assert.deepEqual(asked[0], [1, 8]);
  assert.equal(await of({ ...memoryOf(log, 8), size: 9 }), "bad shorter");
  assert.equal(await of({ ...memoryOf(log, 8), root: p.base64(log.roots[7]) }), "bad consistency");
  assert.equal(await of({ ...memoryOf(log, 5), root: p.base64(log.roots[7]) }, proof), "bad consistency");
  assert.equal(await of({ ...memoryOf(log, 5), publicKey: "other" }, proof), "bad key_changed");
  const renamed = await check({ ...memoryOf(log, 5), origin: "was.example/t/1", publicKey: "other" }, proof);
  assert.deepEqual([renamed.state, renamed.code, renamed.origin, renamed.at], ["bad", "origin_changed", "was.example/t/1", memoryOf(log, 5).at]);
  assert.equal(renamed.tree, undefined, "nothing is learnt");
  for (const wrong of [[], null, {}, ["00"], [...(await log.growth(5, 8)), "00".repeat(32)]]) {
    assert.equal(await of(memoryOf(log, 5), async () => wrong), "bad consistency");
  }
  assert.equal((await check(memoryOf(log, 5), async () => [])).at, memoryOf(log, 5).at);
  const hashes = await log.growth(5, 8);
  for (const [at, hash] of hashes.entries()) {
    for (const text of mutations(hash)) assert.equal(await of(memoryOf(log, 5), async () => hashes.with(at, text)), "bad consistency");
  }
});

/** The server names witnesses and quorum: only those of before count, and nothing of before may be missing. */
async function onlyKnownCount(of, check, note, info, [w1, w2, w3], knowing) {
  assert.equal(await of(await note(8, [0, 1, 2]), { memory: null }), "neutral first 3 3 learns");
  assert.equal((await check(await note(8, [0, 1, 2]), { memory: null })).fresh, "w1.example, w2.example, w3.example");
  assert.equal(await of(await note(8, [0, 1, 2]), { memory: knowing([w1]) }), "neutral first 1 3", "one that is known is not two");
  assert.equal(await of(await note(8, [0, 1]), { memory: knowing([w1, w2]) }), "good good 2 3 learns");
  assert.equal((await check(await note(8, [0, 1]), { memory: knowing([w1, w2]) })).fresh, "w3.example");
  const only = (...list) => ({ ...info, witnesses: list.map(({ name, key }) => ({ name, key })) });
  const gone = await check(await note(8, [2]), { memory: knowing([w1, w2]), info: { ...only(w3), quorum: 1 } });
  assert.deepEqual([gone.state, gone.code, gone.names, gone.learn], ["bad", "witnesses_gone", "w1.example, w2.example", undefined]);
  assert.equal((await check(await note(8, [0, 1]), { memory: knowing([w1, w2, w3]), info: only(w1, w2) })).names, "w3.example");
  assert.equal(await of("", { memory: knowing([w1]), info: { ...info, witnesses: undefined } }), "bad witnesses_gone");
  const lower = await check(await note(8, [0]), { info: { ...info, quorum: 1 } });
  assert.deepEqual([lower.state, lower.code, lower.quorum, lower.before], ["bad", "quorum_lower", 1, 2]);
  assert.equal(await of(await note(8, [0, 1, 2]), { info: { ...info, quorum: 3 } }), "good good 3 3 learns");
}

test("witnesses: enough, too few, none, another key, another log, an event they have not seen yet", async () => {
  const witnesses = [await witness("w1.example", 11), await witness("w2.example", 12), await witness("w3.example", 13)];
  const info = { ...log.info, witnesses: witnesses.map(({ name, key }) => ({ name, key })), quorum: 2 };
  const note = async (size, seen, time = 1795303721) => {
    const text = await log.checkpoint(size);
    return text + (await Promise.all(seen.map((at) => witnesses[at].line(text, time + at)))).join("");
  };
  const keysOf = (list) => Object.fromEntries(list.map(({ name, key }) => [name, key]));
  const knowing = (list, quorum = 2) => memoryOf(log, 8, { witnesses: keysOf(list), quorum });
  const all = knowing(witnesses);
  const check = (cosigned, { memory = all, info: given = info, growth = log.growth } = {}) => p.checkWitnesses(memory, log.receipt, cosigned, given, growth);
  const of = async (...args) => {
    const { state, code, seen, of: named, learn } = await check(...args);
    return [state, code, seen, named, learn ? "learns" : undefined].filter((fact) => fact !== undefined).join(" ");
  };
  assert.equal(await of(await note(8, [0, 1, 2])), "good good 3 3 learns");
  assert.equal((await check(await note(8, [0, 1]))).at, new Date(1795303722000).toISOString());
  assert.equal(await of(await note(5, [0, 2])), "good good 2 3 learns");
  assert.equal(await of(await note(8, [0])), "neutral few 1 3");
  assert.equal(await of(await note(8, [])), "neutral unseen 0 3");
  assert.equal(await of(await note(3, [0, 1, 2])), "neutral later 3 3");
  for (const quorum of [0, -1, 0.5, "2", undefined]) assert.equal(await of(await note(8, [0, 1]), { info: { ...info, quorum } }), "neutral few 2 3");
  assert.equal(await of("", { info: log.info, memory: null }), "neutral none");
  assert.equal(await of("", { info: log.info, memory: memoryOf(log, 8) }), "neutral none");
  const changed = memoryOf(log, 8, { witnesses: { "w1.example": witnesses[1].key } });
  assert.equal(await of(await note(8, [0, 1, 2]), { memory: changed }), "bad witness_changed");
  const thrice = { ...info, witnesses: [info.witnesses[0], info.witnesses[0], info.witnesses[0]] };
  assert.equal(await of(await note(8, [0, 1, 2]), { info: thrice, memory: knowing([witnesses[0]]) }), "neutral few 1 1");
  assert.equal(await of(await note(8, [0, 1]), { info: { ...info, witnesses: info.witnesses.map((one) => ({ ...one, name: "trusted.example" })) }, memory: null }), "bad key");
  await onlyKnownCount(of, check, note, info, witnesses, knowing);
  const other = await madeLog({ salt: 99 });
  const forked = await other.checkpoint(8);
  assert.equal(await of(forked + (await witnesses[0].line(forked, 5)) + (await witnesses[1].line(forked, 5))), "bad consistency");
  assert.equal(await of(await note(5, [0, 1]), { growth: other.growth }), "bad consistency");
  for (const text of mutations(await note(8, [0, 1]))) assert.notEqual((await check(text)).state, "good", text);
});

test("without WebCrypto, or without Ed25519 in it, nothing is checked and nothing is green", async () => {
  const { subtle } = globalThis.crypto;
  const without = async (value) => {
    Object.defineProperty(globalThis.crypto, "subtle", { value, configurable: true });
    try {
      const lines = [
        p.checkInLog(log.event, log.opening, log.receipt, log.info),
        p.checkSameLog(memoryOf(log, 8), noteOf(log), log.info, none),
        p.checkWitnesses(null, log.receipt, "", { ...log.info, witnesses: [{ name: "w", key: "w" }] }, none),
      ];
      return (await Promise.all(lines)).map(({ state, code }) => `${state} ${code}`);
    } finally {
      delete globalThis.crypto.subtle;
    }
  };
  assert.deepEqual(await without(undefined), Array(3).fill("unchecked crypto"));
  const old = { digest: subtle.digest.bind(subtle), importKey: async () => { throw new DOMException("", "NotSupportedError"); }, verify: () => true };
  assert.deepEqual(await without(old), Array(3).fill("unchecked ed25519"));
});
