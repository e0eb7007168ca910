// What the panel asks for and keeps between two looks at an event: `node --test tests/unit/`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { maker } from "./proof-log.mjs";
import { source } from "./source.mjs";

const p = await source(
  "proof/bytes.ts", "proof/json.ts", "proof/merkle.ts", "proof/note.ts", "proof/commitment.ts", "proof/erasure.ts", "proof/check.ts",
  "elements/event/proving.ts", "elements/event/sentence.ts",
);
const [example] = JSON.parse(readFileSync(new URL("../../../corpus/vectors/commitment.json", import.meta.url), "utf8")).cases;
const { madeLog, structuredCloned, witness } = maker(p, example);
const log = await madeLog();

beforeEach(() => {
  const methods = {
    getItem(name) { return Object.hasOwn(this, name) ? this[name] : null; },
    setItem(name, text) { this[name] = text; },
    removeItem(name) { delete this[name]; },
  };
  globalThis.localStorage = Object.create(methods);
  globalThis.location = { origin: "https://log.example" };
});

/** Who looks at a server that gives what a log has; `lie` changes answers by their routes. Each has an address of its own. */
let servers = 0;
function looker(made = log, { session = null, base = `https://${++servers}.example` } = {}) {
  const asked = [];
  const lie = {};
  const answers = {
    "/v1/log": () => made.info,
    "/v1/checkpoint": () => made.checkpoint(made.info.size),
    "/v1/proofs/consistency": async ({ from, to }) => ({ hashes: await made.growth(from, to) }),
    "/v1/proofs/inclusion": ({ position, size }) => made.statement(position, size),
    "/v1/feed": ({ from }) => ({ records: [{ position: from, id: `at-${from}` }] }),
  };
  const answer = (route, params) => {
    asked.push(route);
    if (lie[route]) return lie[route](params);
    if (answers[route]) return answers[route](params);
    const at = /^\/v1\/events\/at-(\d+)\/opening$/.exec(route);
    if (at) return made.statement(Number(at[1]), made.info.size);
    return route.endsWith("/proof") ? made.receipt : made.opening;
  };
  const api = { base, json: async (route, params) => structuredClone(await answer(route, params)), text: async (route, params) => answer(route, params) };
  return { viewer: { api, session }, asked, lie };
}

async function states(viewer, event = log.event, tenant = "acme") {
  let found = {};
  await p.prove(viewer, event, tenant, (part) => (found = { ...found, ...part }), new AbortController().signal);
  return [found.inLog, found.sameLog, found.witnesses].map(({ state, code }) => `${state} ${code}`);
}

const FIRST = ["good good", "neutral first", "neutral none"];
const GOOD = ["good good", "good good", "neutral none"];

test("going back to an event asks only whether the log is still the same", async () => {
  const { viewer, asked, lie } = looker();
  assert.deepEqual(await states(viewer), FIRST);
  assert.deepEqual(await states(viewer), GOOD);
  asked.length = 0;
  assert.deepEqual(await states(viewer), GOOD);
  assert.deepEqual(asked, ["/v1/log", "/v1/checkpoint"]);
  const other = await madeLog({ salt: 9 });
  lie["/v1/checkpoint"] = () => other.checkpoint(8);
  assert.deepEqual(await states(viewer), ["good good", "bad consistency", "neutral none"]);
  lie["/v1/checkpoint"] = () => log.checkpoint(7);
  assert.deepEqual(await states(viewer), ["good good", "bad shorter", "neutral none"]);
});

test("another body, key, list of witnesses or quorum of the same event and size is checked anew", async () => {
  const { viewer, lie } = looker();
  for (const expected of [FIRST, GOOD, GOOD]) assert.deepEqual(await states(viewer), expected);
  const forged = structuredCloned(log.event);
  forged.actor.name = "Eva";
  assert.deepEqual(await states(viewer, forged), ["bad differs", "good good", "neutral none"]);
  assert.deepEqual(await states(viewer, { ...log.event, received_at: "2026-11-21T23:28:42Z" }), ["bad received", "good good", "neutral none"]);
  const stolen = await madeLog({ seed: 8 });
  lie["/v1/log"] = () => stolen.info;
  assert.deepEqual(await states(viewer), ["bad signature", "bad key_changed", "neutral none"]);
  lie["/v1/log"] = () => ({ ...log.info, witnesses: [{ name: "w", key: "w" }] });
  assert.equal((await states(viewer))[2], "bad key");
});

test("witnesses are green at the second sight, and their quorum is remembered", async () => {
  const { viewer, lie } = looker();
  const witnesses = [await witness("w1.example", 11), await witness("w2.example", 12)];
  const note = await log.checkpoint(8);
  const named = { ...log.info, witnesses: witnesses.map(({ name, key }) => ({ name, key })), quorum: 2 };
  lie["/v1/log"] = () => named;
  lie["/v1/checkpoint"] = async ({ cosigned }) => (cosigned ? note + (await witnesses[0].line(note, 5)) + (await witnesses[1].line(note, 6)) : note);
  assert.equal((await states(viewer))[2], "neutral first");
  assert.equal((await states(viewer))[2], "good good");
  assert.equal((await states(viewer))[2], "good good");
  lie["/v1/log"] = () => ({ ...named, quorum: 1 });
  assert.equal((await states(viewer))[2], "bad quorum_lower");
  const own = await witness("own.example", 13);
  lie["/v1/log"] = () => ({ ...named, witnesses: [{ name: own.name, key: own.key }], quorum: 1 });
  assert.equal((await states(viewer))[2], "bad witnesses_gone");
  lie["/v1/log"] = () => ({ ...named, witnesses: [...named.witnesses, { name: own.name, key: own.key }] });
  lie["/v1/checkpoint"] = async ({ cosigned }) => (cosigned ? note + (await own.line(note, 7)) + (await witnesses[0].line(note, 8)) : note);
  for (let n = 0; n < 3; n++) assert.equal((await states(viewer))[2], "neutral first");
});

test("a log under another name is not a first sight of the same server and tenant", async () => {
  const { viewer, lie } = looker();
  assert.deepEqual(await states(viewer), FIRST);
  const renamed = await madeLog({ seed: 8, origin: "new.example/t/000102030405060708090a0b0c0d0e0f" });
  const [path] = [`/v1/events/${encodeURIComponent(log.event.id)}/proof`];
  lie["/v1/log"] = () => renamed.info;
  lie[path] = () => renamed.receipt;
  assert.deepEqual(await states(viewer), ["good good", "bad origin_changed", "neutral none"]);
  assert.deepEqual(await states(viewer), ["good good", "bad origin_changed", "neutral none"]);
  assert.deepEqual(await states(viewer, log.event, "another"), FIRST);
  assert.deepEqual(await states({ ...viewer, session: { tenant: "acme" } }, log.event, null), ["good good", "bad origin_changed", "neutral none"]);
  p.forgetLog(viewer, "acme");
  assert.deepEqual(await states(viewer), FIRST);
});

test("the entry of an erasure is asked for, and whoever may not have it is told so", async () => {
  const says = { approvals: 1, approvals_required: 1, erased: [{ as: "erased-7f3a", runs: [[3, 3]], units: [1] }] };
  const made = await madeLog({ says: p.canonical({ metadata: says }) });
  made.opening.units[1] = { state: "erased", digest: example.units[1].digest, by: 5 };
  const event = structuredCloned(made.event);
  delete event.actor.email;
  event.derived = { erased: [5] };
  const { viewer, asked, lie } = looker(made);
  assert.equal((await states(viewer, event))[0], "partly erased");
  lie["/v1/feed"] = () => ({ records: [] });
  assert.equal((await states(viewer, event))[0], "partly erased_unstated");
  asked.length = 0;
  delete lie["/v1/feed"];
  for (let n = 0; n < 2; n++) assert.equal((await states(viewer, event))[0], "partly erased");
  assert.equal(asked.filter((route) => route === "/v1/feed").length, 1);
});

test("what goes to a shell is one word of it", () => {
  assert.equal(p.shellQuoted("a+b/c="), "'a+b/c='");
  assert.equal(p.shellQuoted("x'; rm -rf ~ #"), "'x'\\''; rm -rf ~ #'");
});
