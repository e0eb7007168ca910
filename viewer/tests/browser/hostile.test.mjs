// Events that somebody wrote to break the viewer: all of it is text, nothing of it runs, and the page keeps its shape.

import assert from "node:assert/strict";
import { Served, passesAxe, send, tooWide, until, viewerTest } from "./support.mjs";

const server = await Served.start();

const RUNS = "globalThis.broken = true; fetch('https://elsewhere.example/')";
const TEXTS = {
  markup: `<img src=x onerror="${RUNS}"><script>${RUNS}</script><b>bold</b>`,
  closing: `</span></div></style></script><svg onload="${RUNS}">`,
  link: `javascript:${RUNS}`,
  template: "${globalThis.broken = true} {{constructor.constructor('globalThis.broken = true')()}} <!--?lit$123$-->",
  backwards: "\u202egnp.exe\u202d and \u2066isolated\u2069 שלום עולם مرحبا بالعالم",
  invisible: "pay\u200bment\u200d to \ufeffal\u00adice\u2060",
  combining: `Z${"\u0335\u0321\u035b".repeat(200)}algo`,
  word: "W".repeat(10_000),
  emoji: "👩‍👩‍👧‍👦🏳️‍🌈🧑🏽‍🚀".repeat(60),
  lines: "first\r\nsecond\tthird\u2028fourth",
  quotes: `"'\\\`&amp;&lt;\\\\`,
};

/** An object within an object within an object. */
const nested = (depth) => (depth === 0 ? { end: null } : { "": nested(depth - 1) });

const nulls = { a: null, b: [null, [null], { c: null }], "": null, "__proto__ ": null, constructor: null, toString: "text", true: true, zero: 0, minus: -0.0, big: 123456789012345680000 };

/** The beginning of a text, as JSON can carry it. */
const part = (text, length) => text.slice(0, length).toWellFormed();

/** An event in which everything that can hold a text holds this one. */
const full = (name, text) => ({
  tenant: "hostile", action: part(text, 100).trim() || "a", category: part(text, 60), description: text, reason: part(text, 900),
  actor: { id: part(text, 200), type: "user", name: part(text, 200), email: part(text, 100), chain: [{ id: part(text, 100), name: part(text, 100) }] },
  targets: [{ type: part(text, 60), id: part(text, 200), name: part(text, 200) }],
  context: { user_agent: part(text, 900), session_id: part(text, 100), application: part(text, 60) },
  request: { id: part(text, 100), path: part(text, 900), method: "GET" },
  outcome: { result: "denied", reason: part(text, 200) },
  changes: { before: { [part(text, 200)]: text, same: text }, after: { [part(text, 200)]: `${text} and more`, same: text } },
  metadata: { which: name, [part(text, 200)]: text, list: [text, { [part(text, 100)]: text }] },
});

const MORE = [
  { tenant: "hostile", action: "many.targets", actor: { id: "u" }, description: "a thousand targets", metadata: { which: "targets" }, targets: Array.from({ length: 1000 }, (_, at) => ({ type: "thing", id: `t${at}`, name: `<i>${at}</i>` })) },
  { tenant: "hostile", action: "deep", actor: { id: "u" }, description: "deep", metadata: { which: "deep", nested: nested(24) }, changes: { before: nested(24), after: nested(23) } },
  { tenant: "hostile", action: "nulls", actor: { id: "u" }, description: "nulls", metadata: { which: "nulls", nulls }, changes: { before: nulls, after: { ...nulls, a: [null] }, complete: true } },
  { tenant: "hostile", action: "large", actor: { id: "u" }, description: "large", metadata: { which: "large", members: Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`m${at}`, `value ${at} ${"x".repeat(60)}`])) } },
  { tenant: "hostile", action: "bare", actor: { type: "system" }, metadata: { which: "bare" } },
];

const told = [...Object.entries(TEXTS).map(([name, text]) => full(name, text)), ...MORE];
for (const event of told) {
  const { results } = await send([event], server.how);
  assert.equal(results[0].status, "created", JSON.stringify(results[0]).slice(0, 400));
}

const LIST = "/viewer?tenant=hostile&last=all";

/** Nothing of the events ran. Where the page is lawless, this is so because all of it is text, not because the policy forbids it. */
const unbroken = async (page) => assert.equal(await page.evaluate(() => globalThis.broken), undefined);

viewerTest("a page without its policy runs what gets into it", { server, path: LIST, lawless: true, expected: [/404/] }, async (viewer, page) => {
  await page.evaluate(() => document.body.append(document.createRange().createContextualFragment('<img src="/viewer/assets/none" onerror="globalThis.broken = true">')));
  await page.waitForFunction(() => globalThis.broken === true);
});

for (const [width, lawless] of [[320, false], [1280, true]]) {
  viewerTest(`a list of hostile events is nothing but text, ${width} pixels wide`, { server, path: LIST, width, lawless }, async (viewer, page) => {
    assert.equal(await viewer.total(), told.length);
    assert.ok((await tooWide(page)) <= 0, "the page scrolls sideways");
    assert.equal(await page.locator("annals-table img, annals-table script, annals-table b, annals-facets img, annals-facets b").count(), 0);
    await unbroken(page);
  });

  viewerTest(`hostile events are read, one after the other, and break nothing, ${width} pixels wide`, { server, width, lawless, path: `${LIST}&order=asc` }, async (viewer, page) => {
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    for (const [at, { metadata: { which } }] of told.entries()) {
      if (at > 0) await viewer.event.getByRole("button", { name: /^Next/ }).click();
      await viewer.event.getByRole("tab", { name: "JSON" }).click();
      await until(async () => JSON.parse(await viewer.event.locator("pre").innerText()).metadata.which === which, `the event ${which}`);
      assert.ok((await tooWide(page)) <= 0, `the JSON of ${which} scrolls the page sideways`);
      await viewer.event.getByRole("tab", { name: "Overview" }).click();
      if (TEXTS[which] && which !== "lines") await viewer.event.getByText(TEXTS[which].slice(0, 60).trim()).first().waitFor({ state: "attached" });
      await viewer.event.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      assert.ok((await tooWide(page)) <= 0, `${which} scrolls the page sideways`);
      const inner = await viewer.event.evaluate((element) => element.scrollWidth - element.clientWidth);
      // Hundreds of marks on one letter are one letter: nothing can break it.
      assert.ok(inner <= 0 || which === "combining", `${which} scrolls its event sideways by ${inner}`);
      assert.equal(await page.locator("annals-event :is(img, script, b, iframe, object, embed, [onerror], [onload], a[href^='javascript'])").count(), 0);
    }
    await unbroken(page);
  });
}

viewerTest("hostile values on the pages of an actor and a target are text too", { server, lawless: true, expected: [/ERR_FAILED/] }, async (viewer, page) => {
  for (const address of [`/viewer/actor?tenant=hostile&last=all&id=${encodeURIComponent(TEXTS.markup.slice(0, 200))}`, `/viewer/target?tenant=hostile&last=all&type=${encodeURIComponent(TEXTS.markup.slice(0, 60))}&id=${encodeURIComponent(TEXTS.markup.slice(0, 200))}`]) {
    await page.goto(server.url + address);
    await page.getByRole("heading", { level: 1 }).getByText("<img src=x").waitFor();
    await page.locator("annals-timeline").getByText("<img src=x").first().waitFor();
    assert.ok((await tooWide(page)) <= 0, "the page scrolls sideways");
    await unbroken(page);
  }
});

viewerTest("what an address says is text too", { server, lawless: true, expected: [/404/] }, async (viewer, page) => {
  await page.goto(`${server.url}/viewer?tenant=hostile&last=all&q=${encodeURIComponent(TEXTS.markup)}&actor_id=${encodeURIComponent(TEXTS.closing)}&event=${encodeURIComponent("../../v1/session?<b>")}`);
  await viewer.chips.first().waitFor();
  assert.equal(await page.locator("annals-chips img, annals-chips svg[onload]").count(), 0);
  await unbroken(page);
});

viewerTest("axe finds nothing wrong with hostile events either", { server, path: LIST }, async (viewer, page) => {
  await passesAxe(page);
});
