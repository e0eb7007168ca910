// The live tail against a server that is told what to send: `node --test tests/unit/live.test.mjs`.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { source } from "./source.mjs";

const { Api, LiveTail, START, SseParser, TIMING, WAITING_MAX, backoff } = await source(
  "live.ts", "live/sse.ts", "api/client.ts", "view/view.ts",
);

const bytes = (text) => new TextEncoder().encode(text);
const message = (id) => `id: ${id}\ndata: {"position":${id}}\n\n`;
const timing = { ...TIMING, backoffMin: 1, backoffMax: 2 };

let tails = [];
afterEach(() => {
  for (const tail of tails) tail.stop();
  tails = [];
});

/** A server whose connections the test feeds; each has the request that opened it. */
function server(answers = () => null) {
  const connections = [];
  let opened = () => {};
  globalThis.fetch = async (url, { headers, signal }) => {
    const at = new URL(url, "http://annals.test");
    const special = answers(at, connections.length);
    if (special) return special;
    let stream;
    const body = new ReadableStream({ start: (controller) => void (stream = controller) });
    const connection = { at, headers, signal, send: (text) => stream.enqueue(bytes(text)), bytes: (chunk) => stream.enqueue(chunk), close: () => stream.close() };
    signal.addEventListener("abort", () => {
      try {
        stream.error(new DOMException("aborted", "AbortError"));
      } catch {}
    });
    connections.push(connection);
    opened();
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const next = async (number) => {
    while (connections.length < number) await new Promise((done) => (opened = done));
    return connections[number - 1];
  };
  return { connections, next };
}

function tail(view = START, size = 5, times = timing) {
  const one = new LiveTail(new Api(""), times);
  tails.push(one);
  const got = [];
  const states = [];
  one.addEventListener("events", ({ detail }) => got.push(...detail.map((event) => event.position)));
  one.addEventListener("state", () => states.push(one.state.name));
  one.start(view, size);
  return { one, got, states };
}

/** Until it holds; a test that waits in vain ends by the runner's time limit. */
async function until(holds) {
  while (!holds()) await new Promise((done) => setTimeout(done, 1));
}

test("a stream cut at any byte gives the same messages", () => {
  const text = "﻿: hello\r\nretry: 1500\r\n\r\nid: 7\rdata: {\"n\":\r\ndata:\"Łódź 🎬\"}\r\n\nid: 9\n\nevent: x\ndata\n\nid: 1\0\n\ndata: cut";
  const whole = new SseParser().push(bytes(text));
  assert.deepEqual(whole, [{ id: "7", data: '{"n":\n"Łódź 🎬"}' }, { id: "9", data: null }, { id: null, data: "" }]);
  for (let size = 1; size < 9; size += 1) {
    const parser = new SseParser();
    const all = bytes(text);
    const got = [];
    for (let at = 0; at < all.length; at += size) got.push(...parser.push(all.slice(at, at + size)));
    assert.deepEqual(got, whole, `in pieces of ${size}`);
    assert.equal(parser.retryMs, 1500);
  }
});

test("what is not UTF-8 is no stream", () => {
  assert.throws(() => new SseParser().push(new Uint8Array([0x64, 0xff, 0x0a])), /UTF-8/);
});

test("the view's conditions are asked for, its time is not", async () => {
  const { next } = server();
  const view = { ...START, tenant: "acme", q: "keynote", terms: [{ kind: "is", path: "actor.id", value: "u1" }] };
  tail(view, 17);
  const { at } = await next(1);
  assert.equal(at.pathname, "/v1/feed/live");
  assert.deepEqual(Object.fromEntries(at.searchParams), { tenant: "acme", q: "keynote", actor_id: "u1", from: "17" });
});

test("without a size it begins behind what is there now, and again there if the first connection breaks", async () => {
  const { next } = server((at) => (at.pathname === "/v1/events" ? Response.json({ events: [], next: null, size: 42 }) : null));
  tail(START, null);
  (await next(1)).close();
  const second = await next(2);
  assert.equal(second.at.searchParams.get("from"), "42");
  assert.equal(second.headers["last-event-id"], undefined);
});

test("after a break it goes on behind the last id: nothing skipped, nothing twice", async () => {
  const { next } = server();
  const { got, states } = tail();
  const first = await next(1);
  first.send(message(5) + message(6) + "id: 8\n\n" + message(9).slice(0, 20));
  await until(() => got.length === 2);
  first.close();
  const second = await next(2);
  assert.equal(second.headers["last-event-id"], "8");
  assert.equal(second.at.searchParams.get("from"), null);
  second.send(message(8) + message(9) + message(10));
  await until(() => got.length === 4);
  assert.deepEqual(got, [5, 6, 9, 10]);
  assert.deepEqual(states, ["off", "connecting", "live", "reconnecting", "connecting", "live"]);
});

test("silence without a heartbeat ends the connection and begins another", async () => {
  const { next } = server();
  tail(START, 5, { ...timing, silence: 25 });
  const first = await next(1);
  const heart = setInterval(() => first.send(": still here\n\n"), 5);
  await new Promise((done) => setTimeout(done, 80));
  assert.equal(first.signal.aborted, false, "heartbeats keep it");
  clearInterval(heart);
  await next(2);
  assert.equal(first.signal.aborted, true);
});

test("what comes while paused is given on resume", async () => {
  const { next } = server();
  const { one, got } = tail();
  const first = await next(1);
  first.send(message(5));
  await until(() => got.length === 1);
  one.pause();
  first.send(message(6) + message(7));
  await until(() => one.state.waiting === 2);
  assert.deepEqual(got, [5]);
  one.resume();
  assert.deepEqual(got, [5, 6, 7]);
  assert.equal(one.state.name, "live");
  first.send(message(8));
  await until(() => got.length === 4);
});

test("a long pause lets the connection go, and loses nothing", async () => {
  const { next, connections } = server();
  const { one, got } = tail(START, 0);
  const first = await next(1);
  one.pause();
  first.send(Array.from({ length: WAITING_MAX + 500 }, (_, at) => message(at)).join(""));
  await until(() => first.signal.aborted);
  assert.deepEqual(one.state, { name: "paused", waiting: WAITING_MAX, more: true });
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(connections.length, 1, "no other one while paused");
  one.resume();
  const second = await next(2);
  assert.equal(second.headers["last-event-id"], String(WAITING_MAX - 1));
  second.send(Array.from({ length: 500 }, (_, at) => message(WAITING_MAX + at)).join(""));
  await until(() => got.length === WAITING_MAX + 500);
  assert.deepEqual(got, Array.from({ length: WAITING_MAX + 500 }, (_, at) => at));
});

test("a busy server is asked again, not sooner than it says", async () => {
  const busy = () => Response.json({ code: "busy" }, { status: 503, headers: { "retry-after": "1" } });
  const { next } = server((_, opened) => (opened === 0 && Date.now() - begun < 900 ? busy() : null));
  const begun = Date.now();
  const { one } = tail();
  await until(() => one.state.name === "reconnecting");
  assert.equal(one.state.seconds, 2);
  await next(1);
  assert.ok(Date.now() - begun >= 1000);
});

test("a refusal ends it; trying again goes on behind the last id", async () => {
  let refuse = false;
  const { next } = server(() => (refuse ? Response.json({ code: "unauthenticated" }, { status: 401 }) : null));
  const { one, got } = tail();
  const first = await next(1);
  first.send(message(5));
  await until(() => got.length === 1);
  refuse = true;
  first.close();
  await until(() => one.state.name === "ended");
  assert.equal(one.state.error.code, "unauthenticated");
  refuse = false;
  one.resume();
  assert.equal((await next(2)).headers["last-event-id"], "5");
});

test("what is no event ends it rather than being passed over", async () => {
  const { next } = server();
  const { one } = tail();
  (await next(1)).send("id: 5\ndata: <html>\n\n");
  await until(() => one.state.name === "ended");
  assert.equal(one.state.error.code, "malformed_stream");
});

test("a page that is hidden for long lets go and goes on when it is seen", async () => {
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
  try {
    const { next, connections } = server();
    const { got } = tail(START, 5, { ...timing, hidden: 10 });
    const first = await next(1);
    first.send(message(5));
    await until(() => got.length === 1);
    document.hidden = true;
    document.dispatchEvent(new Event("visibilitychange"));
    await until(() => first.signal.aborted);
    await new Promise((done) => setTimeout(done, 20));
    assert.equal(connections.length, 1);
    document.hidden = false;
    document.dispatchEvent(new Event("visibilitychange"));
    assert.equal((await next(2)).headers["last-event-id"], "5");
  } finally {
    for (const one of tails) one.stop();
    delete globalThis.document;
  }
});

test("waits grow, differ, and stay below their bound", () => {
  assert.equal(backoff(0, TIMING, 0, 0), 500);
  assert.equal(backoff(3, TIMING, 0, 1), 8_000);
  assert.equal(backoff(20, TIMING, 0, 1), 30_000);
  assert.equal(backoff(0, TIMING, 60_000, 0), 60_000);
});
