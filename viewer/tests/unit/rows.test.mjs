// Where an event stands among those found, asked of a server that is told what to say: `node --test tests/unit/rows.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { Rows } = await source("explorer/rows.ts");

const event = (n) => ({ id: `e${n}`, tenant: `t${n % 3}`, position: Math.floor(n / 3), occurred_at: "2026-03-01T12:00:00Z", received_at: "2026-03-01T12:00:01Z", action: "a", actor: {} });

/** So many events of one time, of three tenants, behind ten later ones; `asked` counts pages of them. */
function rows(tied) {
  const asked = [];
  const api = {
    async json(path, params) {
      if (path === "/v1/summary") return { total: /occurred_at eq/.test(params.get("filter")) ? tied : 10 };
      const [skip, limit] = [Number(params.get("skip")), Number(params.get("limit"))];
      asked.push(skip);
      const from = Math.max(0, skip - 10);
      return { events: Array.from({ length: Math.max(0, Math.min(limit, tied - from)) }, (_, n) => event(from + n)), next: null, size: 1 };
    },
  };
  const later = Array.from({ length: 10 }, (_, n) => ({ ...event(n), id: `l${n}` }));
  return { rows: new Rows(api, new URLSearchParams(), { events: later, next: "n", size: 1 }, () => {}, () => {}, true), asked };
}

test("an event is looked for among as many of its time as a batch has", async () => {
  const { rows: found } = rows(10_000);
  assert.equal(await found.placeOf({ ...event(9_990), id: "none" }), -1);
  assert.ok((await found.placeOf(event(9_989))) >= 0);
});

test("among more of one time it is given up without a word on where it is", async () => {
  const { rows: found, asked } = rows(10_001);
  assert.equal(await found.placeOf(event(10_000)), null);
  assert.equal(asked.length, 10);
});
