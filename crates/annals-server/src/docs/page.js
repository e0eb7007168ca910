// The API reference: reads /openapi.json and lays it out. Everything is put in as text, nothing as HTML.
"use strict";

/** Makes an element: its name with classes (`div.name`), its attributes, and what is in it. */
function make(name, attributes, ...inside) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...inside.flat(Infinity).filter((part) => part !== null && part !== undefined));
  return element;
}

/** Text in which `backticks` mark code. */
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

function paragraphs(text) {
  return (text || "").split("\n\n").filter(Boolean).map((part) => make("p", {}, prose(part)));
}

let description = null;

function resolved(schema) {
  if (!schema || !schema.$ref) return schema;
  const path = schema.$ref.slice(2).split("/");
  return path.reduce((at, name) => at && at[name], description);
}

/** A schema's type in a few words. */
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.map(typeOf).join(" | ");
  const types = [].concat(schema.type || "any");
  return types
    .map((type) => (type === "array" ? `[${typeOf(schema.items) || "any"}]` : type === "string" && schema.format ? schema.format : type))
    .join(" | ");
}

/** The object schema inside: that of an item, of a choice other than null, of a reference. */
function objectIn(schema, depth = 0) {
  const found = resolved(schema);
  if (!found || depth > 6) return null;
  if (found.properties) return found;
  const inner = found.items || (found.oneOf || found.anyOf || []).find((choice) => choice.type !== "null");
  return inner ? objectIn(inner, depth + 1) : null;
}

/** An object's members as rows; those of objects inside fold out. */
function members(schema, depth = 0) {
  const object = objectIn(schema);
  if (!object || depth > 4) return null;
  const required = new Set(object.required || []);
  const rows = Object.entries(object.properties).map(([name, member]) => {
    const inner = members(member, depth + 1);
    return make("div", {},
      make("div.name", {}, name, required.has(name) ? null : make("span.dim", {}, " ?"), make("span.type", {}, typeOf(member))),
      make("div", {}, prose(member.description || ""),
        inner && make("details", {}, make("summary", {}, "members"), make("div.members", {}, inner))));
  });
  return make("div.rows", {}, rows);
}

function parameterRow(parameter) {
  const repeats = parameter.schema && parameter.schema.type === "array";
  const type = repeats ? `${typeOf(parameter.schema.items)}, may repeat` : typeOf(parameter.schema).replace(/ \| null$/, "");
  const place = parameter.in === "query" ? null : make("span.dim", {}, ` ${parameter.in}`);
  return make("div", {},
    make("div.name", {}, parameter.name, parameter.required ? make("b", { title: "required" }, " *") : null, place, make("span.type", {}, type)),
    make("div", {}, prose(parameter.description || "")));
}

function parametersOf(operation) {
  const all = operation.parameters || [];
  if (!all.length) return [];
  const own = all.filter((parameter) => !parameter["x-condition"]);
  const conditions = all.filter((parameter) => parameter["x-condition"]);
  return [
    make("h4", {}, "Parameters"),
    make("div.rows", {}, own.map(parameterRow)),
    conditions.length
      ? make("details.conditions", {},
          make("summary", {}, `${conditions.length} conditions: actor_id, since, until, q, filter …`),
          make("div.rows", {}, conditions.map(parameterRow)))
      : null,
  ];
}

function bodyOf(operation) {
  if (!operation.requestBody) return [];
  const kinds = Object.entries(operation.requestBody.content || {});
  return [
    make("h4", {}, "Body"),
    make("p.dim", {}, kinds.map(([kind]) => make("code", {}, kind)).flatMap((code, index) => (index ? [" ", code] : [code]))),
    kinds.length ? members(kinds[0][1].schema) : null,
  ];
}

function answersOf(operation) {
  const answers = Object.entries(operation.responses || {}).map(([status, answer]) => {
    const [kind, content] = Object.entries(answer.content || {})[0] || [];
    const good = status < "4";
    const line = [
      make(good ? "span.status.good" : "span.status", {}, status),
      prose(answer.description || ""),
      kind ? make("span.dim", {}, ` ${kind}`) : null,
    ];
    const inner = good && content ? members(content.schema) : null;
    return inner
      ? make("details", status === "200" ? { open: "" } : {}, make("summary", {}, line), make("div.members", {}, inner))
      : make("div", {}, line);
  });
  return [make("h4", {}, "Answers"), make("div.answers", {}, answers)];
}

/** A value that fits a schema, for the example. */
function example(schema, depth = 0) {
  const found = resolved(schema) || {};
  if (found.example !== undefined) return found.example;
  if (found.enum) return found.enum[0];
  const choices = found.oneOf || found.anyOf;
  if (choices) return example(choices.find((choice) => choice.type !== "null"), depth);
  const type = [].concat(found.type || [])[0];
  if (type === "array") return depth > 3 ? [] : [example(found.items, depth + 1)];
  if (type === "integer" || type === "number") return 1;
  if (type === "boolean") return true;
  if (type === "string") return "…";
  const required = (found.required || []).filter((name) => found.properties && found.properties[name]);
  return depth > 3 ? {} : Object.fromEntries(required.map((name) => [name, example(found.properties[name], depth + 1)]));
}

const EVENT = { action: "video.update", actor: { type: "user", id: "u1" } };

function curlOf(method, path, operation) {
  const words = ["curl"];
  if (method !== "get") words.push(`-X ${method.toUpperCase()}`);
  const open = JSON.stringify(operation.security) === "[{}]";
  if (!open) words.push(`-H "Authorization: Bearer $ANNALS_KEY"`);
  const content = operation.requestBody && operation.requestBody.content;
  const kind = content && Object.keys(content)[0];
  if (kind) {
    const body = path === "/v1/events" ? EVENT : example(content[kind].schema);
    words.push(`-H "Content-Type: ${kind}"`, `-d '${JSON.stringify(body)}'`);
  }
  const query = (operation.parameters || [])
    .filter((parameter) => parameter.in === "query" && parameter.required)
    .map((parameter) => `${parameter.name}=0`);
  const address = location.origin + path + (query.length ? `?${query.join("&")}` : "");
  return `${words.join(" \\\n  ")} \\\n  '${address}'`;
}

function curlBlock(text) {
  const button = make("button", { type: "button" }, "copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      button.textContent = "not allowed";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  return make("pre", {}, make("code", {}, text), button);
}

function keyOf(operation) {
  const needs = (operation.security || []).flatMap((one) => Object.values(one).flat());
  if (!needs.length) return make("span.key", {}, "no key needed");
  return make("span.key", {}, "key with ", needs.map((scope) => make("code", {}, scope)));
}

function cardOf({ method, path, operation, anchor }) {
  return make("article", { id: anchor },
    make("h3", {}, make(`span.method.${method}`, {}, method.toUpperCase()), path, keyOf(operation)),
    make("p", {}, make("strong", {}, prose(operation.summary || ""))),
    paragraphs(operation.description),
    parametersOf(operation),
    bodyOf(operation),
    answersOf(operation),
    make("h4", {}, "Example"),
    curlBlock(curlOf(method, path, operation)));
}

/** Hides what does not hold every word that is looked for. */
function find(text, found) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { card, link, words: own } of found) {
    const hidden = !words.every((word) => own.includes(word));
    card.classList.toggle("none", hidden);
    link.classList.toggle("none", hidden);
  }
  for (const heading of document.querySelectorAll("nav h2, main > h2")) {
    const shown = found.some(({ card, tag }) => tag === heading.dataset.tag && !card.classList.contains("none"));
    heading.classList.toggle("none", !shown);
    const about = heading.nextElementSibling;
    if (about && about.dataset.about) about.classList.toggle("none", !shown);
  }
}

function wordsOf(route) {
  const { operation } = route;
  const names = (operation.parameters || []).map((parameter) => parameter.name);
  return [route.method, route.path, operation.summary, operation.description, ...names].join(" ").toLowerCase();
}

function lay() {
  const main = document.getElementById("main");
  const nav = document.getElementById("routes");
  const routes = Object.entries(description.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      method, path, operation, tag: (operation.tags || ["other"])[0], anchor: operation.operationId || `${method}-${path}`,
    })));
  main.append(
    make("h1", {}, "API reference"),
    make("p.dim", {}, `${description.info.title} ${description.info.version}. `, prose(description.info.description || "")),
    make("p", {}, prose("Send a key as `Authorization: Bearer annals_…`. A refusal is a problem document with a stable `code`. An unknown parameter is an error, but for the vendors' routes, which do as the vendors' own.")));
  const known = (description.tags || []).map((tag) => tag.name);
  const tags = [...new Set([...known, ...routes.map((route) => route.tag)])];
  const found = [];
  for (const tag of tags) {
    const about = (description.tags || []).find((one) => one.name === tag);
    const own = routes.filter((route) => route.tag === tag);
    if (!own.length) continue;
    nav.append(make("h2", { "data-tag": tag }, tag));
    main.append(make("h2", { "data-tag": tag }, tag), make("p.dim", { "data-about": tag }, (about && about.description) || ""));
    for (const route of own) {
      const card = cardOf(route);
      const link = make("a", { href: `#${route.anchor}` },
        make(`span.method.${route.method}`, {}, route.method.toUpperCase()), route.path.replace("/v1/", "/v1/\u200b"));
      main.append(card);
      nav.append(link);
      found.push({ card, link, tag, words: wordsOf(route) });
    }
  }
  const box = document.getElementById("find");
  box.addEventListener("input", () => find(box.value, found));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) {
      event.preventDefault();
      box.focus();
    }
  });
  const here = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      const entry = found.find(({ card }) => card === target);
      entry.link.classList.toggle("here", isIntersecting);
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  found.forEach(({ card }) => here.observe(card));
  // The page was empty when the browser looked for it.
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) target.scrollIntoView();
}

function theme() {
  const root = document.documentElement;
  const kept = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  if (kept) root.dataset.theme = kept;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it is not kept then */ }
  });
}

theme();
fetch("/openapi.json")
  .then((answer) => answer.json())
  .then((document_) => { description = document_; lay(); })
  .catch((error) => document.getElementById("main").append(make("p", {}, `The description at /openapi.json cannot be read: ${error.message}`)));
