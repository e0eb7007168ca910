// What the browser's tests share: the servers, a page that is signed in, and the words for what a person does on it.
//
// `cargo xtask viewer` runs them. By hand, against a demo that runs:
//
//     ANNALS_TESTS_DEMO='{"url":…the first line of annals demo --json…}' ANNALS_TESTS_BINARY=…/annals node --test tests/browser/explorer.test.mjs
//
// Every test fails when the page says an error or a warning to the console, throws, asks another host, or breaks its own policy.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { chromium } from "playwright-core";
import { installed } from "./installed.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Locator} Locator */
/** @typedef {{url: string, operator_key: string, viewer_url?: string | null, tenants: {id: string, key?: string}[]}} Server */

/** The server full of invented events, as it told of itself. @type {Server} */
export const demo = told("ANNALS_TESTS_DEMO");

/** The server with what real systems wrote; null where there is none. @type {Server | null} */
export const real = process.env["ANNALS_TESTS_REAL"] ? told("ANNALS_TESTS_REAL") : null;

function told(name) {
  const text = process.env[name];
  if (!text) throw new Error(`${name} is not set: run \`cargo xtask viewer\``);
  return JSON.parse(text);
}

/** The key of one of the demo's tenants. */
export function keyOf(tenant) {
  return demo.tenants.find(({ id }) => id === tenant).key;
}

// ---- what is so, asked of the API ---------------------------------------------------------------------------------------------------

/**
 * Asks the API, not the page.
 * @param {string} path
 * @param {Record<string, unknown> | URLSearchParams} [params]
 * @param {{key?: string, url?: string, method?: string, body?: unknown}} [how]
 */
export async function api(path, params = {}, { key = demo.operator_key, url = demo.url, method = "GET", body } = {}) {
  const asked = new URL(path, url);
  const pairs = params instanceof URLSearchParams ? params : Object.entries(params).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  for (const [name, value] of pairs) if (value !== undefined) asked.searchParams.append(name, String(value));
  const headers = { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const answer = await fetch(asked, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${asked}: ${answer.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

/** The events of a question, newest first, as far as one page goes. */
export async function events(params, how) {
  return (await api("/v1/events", { limit: 1000, ...params }, how)).events;
}

/** How many events a question has. */
export async function count(params, how) {
  return (await api("/v1/events", { limit: 1, total: true, ...params }, how)).total;
}

/** Stores events, as a program of a tenant does. */
export function send(list, how) {
  return api("/v1/events", {}, { method: "POST", body: list, ...how });
}

// ---- servers of a test's own --------------------------------------------------------------------------------------------------------

/** The program that is tested. */
export const binary = process.env["ANNALS_TESTS_BINARY"] ?? "annals";

/** A folder that goes with the tests of this file. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "annals-viewer-"));
  after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What the developer's own shell says to `annals` does not reach what is tested. */
const surroundings = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ANNALS_")));

/** Runs the program to its end; gives its exit code and all it said. */
export function run(args, settings = {}) {
  return new Promise((done, failed) => {
    const child = spawn(binary, args, { env: { ...surroundings, ...settings }, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.on("data", (text) => (said += text));
    child.stderr.on("data", (text) => (said += text));
    child.on("error", failed);
    child.on("close", (code) => done({ code, said }));
  });
}

/** A server that a test may stop; started again with the same data it listens where it did. */
export class Served {
  /** @type {string} */ url = "";
  /** @type {string} */ operator_key = "";
  tenants = [];
  #child;

  constructor(data = join(folder(), "data")) {
    this.data = data;
  }

  static async start() {
    const served = new Served();
    await served.start();
    after(() => served.kill());
    return served;
  }

  async start() {
    const listen = this.url ? new URL(this.url).host : "127.0.0.1:0";
    this.#child = spawn(binary, ["serve", "--json", "--listen", listen, "--data", this.data], { env: surroundings, stdio: ["ignore", "pipe", "ignore"] });
    const lines = createInterface({ input: this.#child.stdout });
    const [line] = await Promise.race([
      new Promise((heard) => lines.once("line", (...line) => heard(line))),
      new Promise((_, failed) => this.#child.once("close", (code) => failed(new Error(`annals serve ended with ${code}`)))),
    ]);
    const first = JSON.parse(line);
    assert.ok(first.url, line);
    this.url = first.url.replace(/\/$/, "");
    this.operator_key = first.operator_key ?? this.operator_key;
  }

  /** Ends it as a power cut would. */
  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((done) => this.#child.once("close", done));
    this.#child.kill("SIGKILL");
    await ended;
  }

  /** How the API is asked as the operator. */
  get how() {
    return { url: this.url, key: this.operator_key };
  }
}

/** A page of somebody else's on another port: `pages` has what to answer by path. */
export async function elsewhere(pages) {
  const server = createServer((asked, answer) => {
    const page = pages[new URL(asked.url, "http://elsewhere").pathname];
    answer.writeHead(page === undefined ? 404 : 200, { "content-type": "text/html; charset=utf-8" });
    answer.end(page ?? "");
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

// ---- the browser --------------------------------------------------------------------------------------------------------------------

// Its sandbox cannot be had by root, nor in most containers; what it opens is ours.
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update"];

let launched;

/** The browser of this file's tests. */
export function browser() {
  launched ??= chromium.launch({ executablePath: installed(), args: ARGUMENTS });
  return launched;
}

after(async () => {
  if (launched) await (await launched).close();
});

/** Where whoever looks lives: three hours behind UTC all year, so that the two are never the same. */
export const ZONE = "America/Sao_Paulo";

/** A test that hangs is ended, so that the others are heard of. */
const TEST_MS_MAX = 120_000;

const sessions = new Map();

/** The cookies of somebody who signed in with a key, by `POST /v1/session`. */
async function session(context, url, key) {
  const name = `${url} ${key}`;
  if (!sessions.has(name)) {
    const answer = await context.request.post(`${url}/v1/session`, { data: { key } });
    assert.equal(answer.status(), 200, await answer.text());
    sessions.set(name, await context.cookies());
  }
  await context.addCookies(sessions.get(name));
}

/**
 * A test with a page that is signed in, on which nothing may go wrong beside what the test itself looks at.
 *
 * @param {string} name what holds
 * @param {object} options
 *   `path` is opened at once; `key` signs in (null: nobody does); `server` is asked; `width`, `height`, `scheme`, `language`, `motion`, `forced`
 *   are the browser's; with `lawless` the page's policy does not hold: what gets into it runs; `hosts` may be asked beside the server; `expected` are complaints of the console that belong to the test
 * @param {(viewer: ViewerPage, page: Page, t: import("node:test").TestContext) => Promise<void>} body
 */
export function viewerTest(name, options, body) {
  test(name, { skip: options.skip, timeout: TEST_MS_MAX }, async (t) => {
    const server = options.server ?? demo;
    const context = await (await browser()).newContext({
      viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
      colorScheme: options.scheme ?? "light",
      locale: options.language ?? "en-GB",
      timezoneId: ZONE,
      reducedMotion: options.motion ?? "no-preference",
      forcedColors: options.forced ?? "none",
      acceptDownloads: true,
      bypassCSP: options.lawless ?? false,
      permissions: ["clipboard-read", "clipboard-write"],
      baseURL: server.url,
    });
    context.setDefaultTimeout(options.patience ?? 15_000);
    try {
      const page = await context.newPage();
      const complaints = complaintsOf(page, [new URL(server.url).host, ...(options.hosts ?? [])]);
      if (options.key !== null) await session(context, server.url, options.key ?? server.operator_key);
      const viewer = new ViewerPage(page, server);
      if (options.path !== undefined) await viewer.open(options.path);
      await body(viewer, page, t);
      const unexpected = complaints.filter((complaint) => !(options.expected ?? []).some((known) => known.test(complaint)));
      assert.deepEqual(unexpected, [], "the page complained");
    } finally {
      await context.close();
    }
  });
}

/** Fills with what must not happen on a page: errors, warnings, questions to other hosts. */
export function complaintsOf(page, hosts) {
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(`console ${message.type()}: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => complaints.push(`thrown: ${error.stack ?? error.message}`));
  page.on("request", (request) => {
    const { host, protocol } = new URL(request.url());
    if (/^(https?|wss?):$/.test(protocol) && !hosts.includes(host)) complaints.push(`asked ${request.url()}`);
  });
  return complaints;
}

// ---- what a person does -------------------------------------------------------------------------------------------------------------

/** The viewer as a person has it before them. Locators see through the elements' shadows. */
export class ViewerPage {
  /** @param {Page} page @param {Server} server */
  constructor(page, server) {
    this.page = page;
    this.server = server;
  }

  /** Goes to an address of the viewer and waits until all that it asked for is there. */
  async open(path) {
    await this.page.goto(new URL(path, this.server.url).href);
    if (!path.includes("/actor") && !path.includes("/target") && !path.includes("sign-in")) await this.settled();
  }

  /** The table's own part that scrolls. */
  get table() {
    return this.page.getByRole("grid");
  }

  get histogram() {
    return this.page.getByRole("application");
  }

  get searchBox() {
    return this.page.locator("annals-search-box").getByRole("combobox");
  }

  /** The conditions, without what drops them all. */
  get chips() {
    return this.page.locator("annals-chips li:not(.all)");
  }

  /** Opens the menu in the head of the page. */
  async menu() {
    await this.page.locator("annals-app details.menu summary").click();
  }

  /** The open event. */
  get event() {
    return this.page.locator("annals-event");
  }

  /** Waits until rows and counts of the question that the address asks are there. */
  async settled() {
    await this.page.waitForFunction(() => {
      const shadow = (host, selector) => host?.shadowRoot?.querySelector(selector);
      const explorer = shadow(document.querySelector("annals-app"), "annals-explorer");
      if (!explorer?.shadowRoot || !shadow(explorer, ".count strong")?.textContent) return false;
      // Some of its parts come after the first rows.
      if (explorer.shadowRoot.querySelector("annals-histogram:not(:defined), annals-facets:not(:defined)")) return false;
      const busy = (name) => shadow(explorer, name)?.busy ?? false;
      return !busy("annals-histogram") && !busy("annals-facets") && !busy("annals-table");
    });
  }

  /** How many events the page says there are. */
  async total() {
    await this.settled();
    const text = await this.page.locator("annals-explorer .count strong").innerText();
    return Number(/[\d.,]+/.exec(text)[0].replaceAll(/[.,]/g, ""));
  }

  /** What the address asks. */
  get query() {
    return new URL(this.page.url()).searchParams;
  }

  /** A row by its number, from 1. */
  row(number) {
    return this.table.locator(`[role=row][aria-rowindex="${number}"]`);
  }

  /** Types into the search box and enters it. */
  async search(text) {
    await this.searchBox.fill(text);
    await this.searchBox.press("Enter");
    await this.settled();
  }

  /** Types into the search box and takes what is offered. */
  async complete(text, offered) {
    await this.searchBox.fill(text);
    await this.page.getByRole("option").filter({ hasText: offered }).first().click();
    await this.settled();
  }

  /** The facet with this name. */
  facet(name) {
    return this.page.locator("annals-facets details").filter({ has: this.page.getByRole("heading", { name, exact: true }) });
  }

  /** A value of a facet, by what is read there. */
  facetValue(name, value) {
    return this.facet(name).locator("li").filter({ has: this.page.locator(".pick .cut").getByText(value, { exact: true }) });
  }

  /** All values of a facet with their counts, as they are read. */
  async facetValues(name) {
    const lines = await this.facet(name).locator("li .pick").evaluateAll((buttons) => buttons.map((button) => [button.title, button.querySelector(".count").textContent]));
    return lines.map(([value, text]) => [value, Number(text.replaceAll(/[.,]/g, ""))]);
  }

  /** Chooses one of the stretches of time that are offered. */
  async lookAt(preset) {
    await this.page.locator("annals-time-range .shown").click();
    await this.page.locator("annals-time-range").getByRole("button", { name: preset, exact: true }).click();
    await this.settled();
  }

  /** Opens a value's menu in a row or in the open event, and takes something from it. */
  async use(value, what) {
    await value.click();
    await this.page.getByRole("menuitem", { name: what }).click();
  }
}

/** Most interactions that a usual question may take. */
const INTERACTIONS_MAX = 3;

/**
 * Somebody with a question. Each click is an interaction, and so is each text typed and entered, in the search box or in a field. Reading is none,
 * nor is scrolling, nor opening the viewer on the tenant that the question is about.
 */
class Asking {
  #taken = 0;

  /** @param {ViewerPage} viewer */
  constructor(viewer) {
    this.viewer = viewer;
  }

  #take() {
    this.#taken += 1;
    assert.ok(this.#taken <= INTERACTIONS_MAX, `more than ${INTERACTIONS_MAX} interactions`);
  }

  /** Types into the search box, and enters it. */
  async types(text) {
    this.#take();
    await this.viewer.search(text);
  }

  /** Clicks something, and waits for what comes of it. @param {Locator} what */
  async clicks(what) {
    this.#take();
    await what.click();
    await this.viewer.settled();
  }

  /** Looks at another stretch of time: opens the choice and chooses, which are two clicks. */
  async looksAt(preset) {
    await this.clicks(this.viewer.page.locator("annals-time-range .shown"));
    await this.clicks(this.viewer.page.locator("annals-time-range").getByRole("button", { name: preset, exact: true }));
  }

  /** Reads on a row, from 1, each of these texts. */
  async readsInRow(number, ...texts) {
    for (const text of texts) await this.viewer.row(number).getByText(text, { exact: true }).first().waitFor();
  }

  /** Reads in the open event each of these texts. */
  async readsInEvent(...texts) {
    for (const text of texts) await this.viewer.event.getByText(text).first().waitFor();
  }
}

/** A question to one of the demo's companies, answered in at most three interactions. */
export function question(words, tenant, body) {
  viewerTest(words, { path: `/viewer?tenant=${tenant}` }, (viewer) => body(new Asking(viewer), viewer));
}

/** An instant as the table shows it to whoever looks. */
export function shown(instant) {
  return new Date(instant).toLocaleString("sv-SE", { timeZone: ZONE });
}

/** Waits until a condition over the API or the page holds, asking again and again. */
export async function until(condition, what, patienceMs = 15_000) {
  const end = Date.now() + patienceMs;
  let last;
  while (Date.now() < end) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: never came; last: ${last}`);
}

// ---- what everyone must be able to use ----------------------------------------------------------------------------------------------

/** The document and the shadows of all elements in it. Runs in the page. */
export function roots() {
  const found = [document];
  for (const root of found) for (const element of root.querySelectorAll("*")) if (element.shadowRoot) found.push(element.shadowRoot);
  return found;
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Axe finds nothing wrong with a page, by any of its rules; the shadows of elements are looked into. */
export async function passesAxe(page) {
  // The page's policy allows no script from elsewhere: it is put there by the debugger.
  await page.evaluate(readFileSync(AXE, "utf8"));
  // What moves has no colour of its own until it stands.
  await page.waitForFunction(`(${roots})().flatMap((root) => root.getAnimations()).every((one) => one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity)`);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, impact, help, nodes }) => `${impact} ${id}: ${help}\n  ${nodes.slice(0, 5).map((node) => node.target.flat().join(" ")).join("\n  ")}`);
  assert.ok(told.length === 0, `axe: ${told.join("\n")}`);
}

/** How many pixels the page is wider than what is seen of it; 0 where nobody has to scroll sideways. */
export function tooWide(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** How many pixels the page is higher than what is seen of it; 0 where only its parts scroll. */
export function tooHigh(page) {
  return page.evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight);
}
