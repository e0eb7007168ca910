// What is shown can be taken away whole: as CSV, as NDJSON, as evidence that anybody can check, and on paper.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { count, events, folder, keyOf, run, viewerTest } from "./support.mjs";

const QUESTION = { tenant: "ledgerly", action: "invoice.approve", outcome_result: "success" };
const PATH = "/viewer?last=all&action=invoice.approve&outcome_result=success";
const KEY = keyOf("ledgerly");

const dialog = (viewer) => viewer.page.locator("annals-export").getByRole("dialog");

/** Opens the dialog, chooses a form, and has it; the file's path. */
async function take(viewer, form) {
  await viewer.page.locator("annals-export").getByRole("button", { name: "Export", exact: true }).click();
  await dialog(viewer).getByRole("radio", { name: new RegExp(`^${form}`) }).check();
  const [download] = await Promise.all([viewer.page.waitForEvent("download"), dialog(viewer).getByRole("button", { name: "Download" }).click()]);
  const path = join(folder(), download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

/** The rows of a CSV file, as texts. */
function rows(text) {
  const found = [[""]];
  let quoted = false;
  for (const one of text) {
    const row = found.at(-1);
    if (one === '"') quoted = !quoted;
    else if (!quoted && one === ",") row.push("");
    else if (!quoted && one === "\n") found.push([""]);
    else if (quoted || one !== "\r") row[row.length - 1] += one;
  }
  return found.filter((row) => row.length > 1);
}

viewerTest("CSV and NDJSON have as many rows as the page says events", { path: PATH, key: KEY }, async (viewer) => {
  const total = await viewer.total();
  assert.equal(total, await count(QUESTION));
  const [head, ...lines] = rows(await readFile(await take(viewer, "CSV"), "utf8"));
  assert.equal(lines.length, total);
  assert.ok(lines.every((line) => line[head.indexOf("action")] === "invoice.approve"));
  await dialog(viewer).getByRole("button", { name: "Close" }).click();
  const ndjson = (await readFile(await take(viewer, "NDJSON"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(ndjson.length, total);
  const ids = new Set((await events(QUESTION)).map(({ id }) => id));
  assert.equal(ids.size, Math.min(total, 1000));
  assert.ok([...ids].every((id) => ndjson.some((event) => event.id === id)));
});

viewerTest("a bundle is good evidence, as annals verify says", { path: PATH, key: KEY }, async (viewer) => {
  const total = await viewer.total();
  const bundle = await take(viewer, "Verifiable bundle");
  const { code, said } = await run(["verify", "--json", "--positions", bundle], { ANNALS_STATE: folder() });
  assert.equal(code, 0, said);
  const shown = said.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)).filter(({ item, verdict }) => item === "position" && verdict === "intact");
  assert.ok(shown.length === total, `${shown.length} of ${total}; ${said.slice(0, 600)}`);
});

viewerTest("the key that exports does so also before the browser had time to fetch what it needs", { key: KEY }, async (viewer, page) => {
  await page.addInitScript(() => (globalThis.requestIdleCallback = () => 0));
  await viewer.open(PATH);
  await page.keyboard.press("e");
  await dialog(viewer).getByRole("radio", { name: /^Printable/ }).waitFor();
});

viewerTest("the report for paper lists all that is found", { path: PATH.replace("last=all", "last=90d"), key: KEY }, async (viewer, page) => {
  const total = await viewer.total();
  await page.keyboard.press("e");
  await dialog(viewer).getByRole("radio", { name: /^Printable/ }).check();
  await dialog(viewer).getByRole("button", { name: "Make the report" }).click();
  const report = page.getByRole("dialog", { name: "Audit report" });
  await report.getByRole("heading", { name: "Audit report" }).waitFor();
  assert.equal(await report.locator("tbody tr").count(), total);
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("annals-app").isVisible(), false);
  await page.emulateMedia({ media: "screen" });
  await report.getByRole("button", { name: "Close" }).click();
  await report.waitFor({ state: "detached" });
});
