// Everyone can use it: by keyboard alone, with a screen reader, on a small screen, in light and dark, in English and Portuguese.

import assert from "node:assert/strict";
import { passesAxe, count, demo, events, keyOf, roots, tooHigh, tooWide, until, viewerTest } from "./support.mjs";

const [CUT] = await events({ tenant: "mosaic-health", targets_id: "records.retention", action: "settings.update" });
const LIST = "/viewer?tenant=mosaic-health&last=all&targets_id=records.retention";

/** What a page may look like, and how one gets there; in no language's words. */
const STATES = {
  "the list": [LIST],
  "an open event": [`${LIST}&event=${CUT.id}`, async (viewer) => viewer.event.locator("annals-proof").evaluate((element) => element.scrollIntoView())],
  "an event's JSON": [`${LIST}&event=${CUT.id}`, async (viewer) => viewer.event.getByRole("tab").nth(1).click()],
  "completions": [LIST, async (viewer) => viewer.searchBox.fill("act")],
  "a value's menu": [LIST, async (viewer) => viewer.row(1).locator("button").first().click()],
  "the choice of time": [LIST, async (viewer) => viewer.page.locator("annals-time-range .shown").click()],
  "the export": [LIST, async (viewer) => viewer.page.locator("annals-export button").first().click()],
  "saved views": [LIST, async (viewer) => viewer.page.locator("annals-views button").first().click()],
  "nothing found": [`${LIST}&q=nosuchwordanywhere`],
  "what is wrong with a question": [`${LIST}&filter=nonsense`],
  "who read": ["/viewer/access?tenant=mosaic-health&last=all"],
  "an actor": [`/viewer/actor?tenant=mosaic-health&last=all&id=${CUT.actor.id}`, async (viewer) => viewer.page.locator("annals-timeline li").first().waitFor()],
  "a target": ["/viewer/target?tenant=mosaic-health&last=all&type=setting&id=records.retention", async (viewer) => viewer.page.locator("annals-target-history [role=rowheader]").first().waitFor()],
};

/** Goes to one of the states. */
async function goTo(viewer, [path, then]) {
  if (path.includes("filter=nonsense")) {
    await viewer.page.goto(demo.url + path);
    await viewer.page.getByRole("alert").first().waitFor();
  } else {
    await viewer.open(path);
  }
  await then?.(viewer);
}

for (const [scheme, language] of [["light", "en-GB"], ["dark", "pt-BR"]]) {
  for (const [name, state] of Object.entries(STATES)) {
    viewerTest(`axe finds nothing wrong with ${name}, ${scheme}, ${language}, and 320 pixels are wide enough`, { scheme, language, expected: [/400 \(Bad Request\)/] }, async (viewer, page) => {
      await goTo(viewer, state);
      assert.equal(await page.evaluate(() => document.documentElement.lang), language.slice(0, 2));
      await passesAxe(page);
      assert.equal(await tooHigh(page), 0, "the page itself scrolls");
      await page.setViewportSize({ width: 320, height: 640 });
      // What follows its size does so a moment later.
      await until(async () => (await tooWide(page)) <= 0, "a page that is not too wide");
    });
  }

  viewerTest(`axe finds nothing wrong with signing in, ${scheme}, ${language}`, { scheme, language, key: null, expected: [/401/] }, async (viewer, page) => {
    await page.goto(`${demo.url}/viewer`);
    await page.locator("annals-sign-in input#key").waitFor();
    await passesAxe(page);
  });
}

viewerTest("on a small screen facets are behind a button, and an event covers the list", { width: 320, height: 640, path: LIST }, async (viewer, page) => {
  const facets = page.locator("annals-facets");
  assert.equal(await facets.isVisible(), false);
  await page.getByRole("button", { name: "Facets" }).click();
  await facets.waitFor();
  await page.getByRole("button", { name: "Facets" }).click();
  await facets.waitFor({ state: "hidden" });
  await viewer.row(1).getByRole("gridcell").first().click();
  const box = await viewer.event.boundingBox();
  assert.deepEqual([box.x, box.width], [0, 320]);
  await viewer.event.getByRole("button", { name: "Close" }).click();
  await viewer.event.waitFor({ state: "detached" });
});

viewerTest("the key ? shows what keys do, and Escape leads back", { path: LIST }, async (viewer, page) => {
  const keys = page.getByRole("region", { name: "Keyboard" });
  await viewer.searchBox.fill("?");
  assert.equal(await keys.isVisible(), false);
  await viewer.table.focus();
  await page.keyboard.press("?");
  await keys.getByText("from event to event").waitFor();
  await page.keyboard.press("Escape");
  await keys.waitFor({ state: "hidden" });
});

viewerTest("from signing in to signing out, all of it by keyboard", { key: null, expected: [/401/] }, async (viewer, page) => {
  const keys = page.keyboard;
  await page.goto(`${demo.url}/viewer?last=all`);
  await page.locator("annals-sign-in input#key").waitFor();
  await until(() => focused(page).then((name) => name === "input#key"), "the field for the key has the focus");
  await keys.type(keyOf("mosaic-health"));
  await keys.press("Enter");
  const all = await viewer.total();
  await keys.press("/");
  await keys.type("targets.id:records.reten");
  await page.getByRole("option").filter({ hasText: "records.retention" }).waitFor();
  await keys.press("ArrowDown");
  await keys.press("Enter");
  await until(async () => (await viewer.total()) === 3, "three events");
  // From the search box the keyboard leads on: out of it, to the rows, into one.
  await keys.press("Escape");
  await keys.press("ArrowDown");
  await keys.press("ArrowDown");
  await keys.press("Enter");
  await viewer.event.getByRole("heading").first().waitFor();
  // Into the open event and to its other tab.
  for (let step = 0; !(await focused(page)).startsWith("button#tab-") && step < 40; step++) await keys.press("Tab");
  await keys.press("ArrowRight");
  await viewer.event.locator("pre").waitFor();
  await keys.press("Escape");
  await viewer.event.waitFor({ state: "detached" });
  await keys.press("e");
  const dialog = page.getByRole("dialog", { name: "Export what is shown" });
  await dialog.waitFor();
  await keys.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  // A chip goes by the keyboard too.
  await page.getByRole("button", { name: /^Remove/ }).focus();
  await keys.press("Enter");
  await until(async () => (await viewer.total()) === all, "all events");
  await page.locator("annals-app details.menu summary").focus();
  await keys.press("Enter");
  await page.getByRole("button", { name: "Sign out" }).focus();
  await keys.press("Enter");
  await page.locator("annals-sign-in").waitFor();
});

/** The innermost element with the focus: its name and id. */
function focused(page) {
  return page.evaluate(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return `${element?.localName ?? ""}${element?.id ? `#${element.id}` : ""}`;
  });
}

viewerTest("the first Tab leads past the head of the page to the events", { path: LIST }, async (viewer, page) => {
  await page.keyboard.press("Tab");
  await page.getByText("To the events").and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await viewer.event.waitFor();
});

viewerTest("every control that the keyboard comes to shows that it has the focus", { path: `${LIST}&event=${CUT.id}` }, async (viewer, page) => {
  const unseen = [];
  for (let step = 0; step < 60; step++) {
    await page.keyboard.press("Tab");
    const shown = await page.evaluate(() => {
      let element = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      if (!element || element === document.body) return null;
      const drawn = (one) => one && getComputedStyle(one).outlineStyle !== "none";
      return drawn(element) || drawn(element.parentElement) ? "" : element.outerHTML.slice(0, 120);
    });
    if (shown === null) break;
    if (shown) unseen.push(shown);
  }
  assert.deepEqual(unseen, []);
});

viewerTest("it says everything in Portuguese where Portuguese is spoken, and changes when asked", { path: LIST, language: "pt-BR" }, async (viewer, page) => {
  await page.getByRole("link", { name: "Acessos" }).waitFor();
  await viewer.menu();
  await page.getByRole("button", { name: "Sair" }).waitFor();
  await page.getByRole("combobox", { name: "Idioma" }).selectOption("en");
  await page.getByRole("link", { name: "Access log" }).waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Access log" }).waitFor();
});

viewerTest("where colours are the reader's own, what is chosen can still be told", { path: `${LIST}&event=${CUT.id}`, forced: "active" }, async (viewer) => {
  const open = viewer.table.locator('[role=row][aria-selected="true"]');
  assert.notEqual(await open.evaluate((row) => getComputedStyle(row).outlineStyle), "none");
});

viewerTest("nothing moves for whoever asks for less of it", { path: `${LIST}&event=${CUT.id}&live`, motion: "reduce" }, async (viewer, page) => {
  const moving = await page.evaluate(`(${roots})().flatMap((root) => root.getAnimations().map((one) => one.effect.target?.className ?? ""))`);
  assert.deepEqual(moving, []);
});

viewerTest("it is readable on a wall", { path: LIST, width: 3840, height: 2160 }, async (viewer, page) => {
  assert.equal(await viewer.total(), await count({ tenant: "mosaic-health", targets_id: "records.retention" }));
  assert.ok((await tooWide(page)) <= 0);
});
