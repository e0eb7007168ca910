// What happened, in words: `node --test tests/unit/`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { curl, occurredAt, sentence } = await source("elements/event/sentence.ts");

const ana = { type: "user", id: "u1", name: "Ana Souza" };
const video = { type: "video", id: "v9", name: "Keynote" };
const event = (more) => ({ id: "e", action: "a", actor: ana, position: 0, received_at: "2026-11-20T10:00:00Z", ...more });

const cases = [
  [{ action: "video.delete", operation: "delete", targets: [video] }, "Ana Souza deleted video Keynote", "Ana Souza excluiu video Keynote"],
  [{ operation: "update", targets: [video, video, video] }, "Ana Souza changed video Keynote and 2 others", "Ana Souza alterou video Keynote e mais 2"],
  [{ derived: { operation: "read" }, targets: [{ id: "v1" }] }, "Ana Souza viewed v1", "Ana Souza viu v1"],
  [{ operation: "delete", outcome: { result: "denied" }, targets: [video] }, "Ana Souza tried to delete video Keynote", "Ana Souza tentou excluir video Keynote"],
  [{ action: "user.login", operation: "authentication" }, "Ana Souza signed in", "Ana Souza entrou"],
  [{ action: "logout", operation: "authentication" }, "Ana Souza signed out", "Ana Souza saiu"],
  [{ action: "login.failed", operation: "authentication", outcome: { result: "failure" } }, "Ana Souza tried to sign in", "Ana Souza tentou entrar"],
  [{ action: "mfa.check", operation: "authentication", targets: [video] }, "Ana Souza did “mfa.check” on video Keynote", "Ana Souza fez “mfa.check” em video Keynote"],
  [{ action: "x.y", actor: { email: "a@example.com" } }, "a@example.com did “x.y”", "a@example.com fez “x.y”"],
  [{ action: "x.y", actor: {}, operation: "create" }, "Somebody created", "Alguém criou"],
  [{ description: "Ana wrote this herself", operation: "delete" }, "Ana wrote this herself", "Ana wrote this herself"],
];

for (const [more, en, pt] of cases) {
  test(en, () => {
    assert.equal(sentence(event(more), "en"), en);
    assert.equal(sentence(event(more), "pt"), pt);
  });
}

test("an event without a time of its own has that of its receipt", () => {
  assert.equal(occurredAt(event({})), "2026-11-20T10:00:00Z");
  assert.equal(occurredAt(event({ occurred_at: "2026-11-19T00:00:00Z" })), "2026-11-19T00:00:00Z");
});

test("no address breaks out of a command for a shell", () => {
  assert.equal(curl("https://h/v1/events/a'b;rm"), `curl -sS -H "Authorization: Bearer $ANNALS_KEY" 'https://h/v1/events/a%27b;rm'`);
});
