// What a viewer token says to the element that shows it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { isHidden, termsOf } = await source("api/token.ts");

const token = (content) => `annals_view_${Buffer.concat([Buffer.from(JSON.stringify(content)), Buffer.alloc(32, 251)]).toString("base64url")}`;

test("a token says what it hides, when it ends and whether its holder may export", () => {
  const said = token({ key: "k", tenant: "łódź", until_us: 1_790_000_000_000_000, hide: ["context.ip", "metadata.ł"], export: true });
  const { scope, ...terms } = termsOf(said);
  assert.notEqual(scope, "");
  assert.deepEqual(terms, { hide: ["context.ip", "metadata.ł"], untilMs: 1_790_000_000_000, export: true });
});

test("what is no token says nothing", () => {
  for (const text of ["", "annals_key", "annals_view_", "annals_view_%%%", token("text"), token({ hide: 5, until_us: "x" }), token(null)]) {
    assert.deepEqual(termsOf(text), { scope: text, hide: [], untilMs: null, export: false }, text);
  }
});

test("what a token should not say is passed over", () => {
  assert.deepEqual({ ...termsOf(token({ tenant: "acme", hide: 5, until_us: "x", export: 1 })), scope: "" }, { scope: "", hide: [], untilMs: null, export: false });
});

test("what was shown stays for another token of the same terms alone", () => {
  const terms = { key: "k", tenant: "acme", until_us: 1, viewer: "ana", filter: [["actor_id", "u1"]], hide: ["context.ip", "reason"] };
  const scope = (changed) => termsOf(token({ ...terms, ...changed })).scope;
  const same = [{}, { key: "other" }, { until_us: 2 }, { export: true }, { hide: ["reason", "context.ip"] }];
  for (const changed of same) assert.equal(scope(changed), scope({}), JSON.stringify(changed));
  const others = [{ tenant: "other" }, { viewer: "eva" }, { viewer: undefined }, { filter: [["actor_id", "u2"]] }, { filter: undefined }, { hide: ["reason"] }, { hide: undefined }];
  for (const changed of others) assert.notEqual(scope(changed), scope({}), JSON.stringify(changed));
  assert.notEqual(termsOf("").scope, scope({}));
});

test("hidden is a member, what is in it, and what holds it", () => {
  const hidden = ["context.ip", "metadata"];
  assert.deepEqual(["context.ip", "context", "metadata.x.y", "context.ip.v"].map((path) => isHidden(hidden, path)), [true, true, true, true]);
  assert.deepEqual(["context.ip_2", "context.user_agent", "action"].map((path) => isHidden(hidden, path)), [false, false, false]);
});
