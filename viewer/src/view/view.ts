/**
 * What is looked at: the page's whole state that a link carries. The address is the query: a view and its address say the same,
 * and the parameters of the API stand in it under their own names.
 *
 *     /viewer?tenant=acme&last=7d&actor_id=u1&not.action=user.login&is.metadata.plan="pro"&q=keynote&event=01J…
 */

import type { Json } from "../api/types.js";
import { type Field, SPLITS, type Split, field, fieldOfParam, quotedPath } from "./fields.js";
import { DEFAULT_LAST, type Range, bounds, lengthMs } from "./time.js";

export type Page = "events" | "access" | "actor" | "target";

/** A value of a JSON scalar: what a member can be asked to be. */
export type Scalar = string | number | boolean;

/** One condition on one field. Several `is` on one field are any of them; everything else holds together. */
export type Term =
  | { kind: "is" | "not"; path: string; value: Scalar }
  /** The member is there, or is not. */
  | { kind: "present" | "absent"; path: string; value?: undefined };

/** Whose page it is. */
export interface Subject {
  type: string | null;
  id: string;
}

export interface View {
  page: Page;
  tenant: string | null;
  range: Range;
  terms: Term[];
  q: string;
  /** A filter of the API, as typed. */
  filter: string;
  order: "desc" | "asc";
  split: Split;
  /** Id of the event that is open beside the table. */
  event: string | null;
  live: boolean;
  subject: Subject | null;
  /** The chosen moment in a target's history. */
  at: string | null;
}

export const START: View = {
  page: "events", tenant: null, range: { last: DEFAULT_LAST }, terms: [], q: "", filter: "", order: "desc",
  split: "outcome.result", event: null, live: false, subject: null, at: null,
};

/** The view that a path below the viewer's own and a query name. What is not understood is left out. */
export function parseView(path: string, query: URLSearchParams): View {
  const page = (["access", "actor", "target"] as const).find((one) => path.replace(/\/$/, "").endsWith(`/${one}`)) ?? "events";
  const one = (name: string) => query.get(name) || null;
  const last = one("last");
  const since = one("since");
  const until = one("until");
  let range: Range = { last: DEFAULT_LAST };
  if (last && lengthMs(last)) range = { last };
  else if (last === "all" || since || until) range = { since, until };
  const split = SPLITS.find((name) => name === one("split")) ?? START.split;
  const id = one("id");
  return {
    page,
    tenant: one("tenant"),
    range,
    terms: parseTerms(query),
    q: one("q") ?? "",
    filter: one("filter") ?? "",
    order: one("order") === "asc" ? "asc" : "desc",
    split,
    event: one("event"),
    live: query.has("live"),
    subject: id === null ? null : { type: one("type"), id },
    at: one("at"),
  };
}

function parseTerms(query: URLSearchParams): Term[] {
  const terms: Term[] = [];
  for (const [name, text] of query) {
    const known = fieldOfParam(name);
    if (known) terms.push({ kind: "is", path: known.path, value: text });
    else if (name === "has") terms.push({ kind: "present", path: text });
    else if (name === "hasnt") terms.push({ kind: "absent", path: text });
    else if (name.startsWith("not.") || name.startsWith("is.")) {
      const kind = name.startsWith("not.") ? "not" : "is";
      const rest = name.slice(kind.length + 1);
      const param = fieldOfParam(rest);
      const value = param ? text : scalar(text);
      if (value !== null) terms.push({ kind, path: param?.path ?? rest, value });
    }
  }
  return terms;
}

function scalar(text: string): Scalar | null {
  try {
    const value: Json = JSON.parse(text);
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
  } catch {
    return null;
  }
}

/** The query part of a view's address, without `?`; what is as at the start is left out. */
export function formatQuery(view: View): string {
  const query = new URLSearchParams();
  if (view.tenant) query.set("tenant", view.tenant);
  if (view.subject) {
    if (view.subject.type) query.set("type", view.subject.type);
    query.set("id", view.subject.id);
  }
  if ("last" in view.range) {
    if (view.range.last !== DEFAULT_LAST) query.set("last", view.range.last);
  } else {
    if (view.range.since) query.set("since", view.range.since);
    if (view.range.until) query.set("until", view.range.until);
    if (!view.range.since && !view.range.until) query.set("last", "all");
  }
  for (const term of view.terms) {
    const { param } = field(term.path);
    if (term.kind === "present") query.append("has", term.path);
    else if (term.kind === "absent") query.append("hasnt", term.path);
    else if (term.value === undefined) continue;
    else if (param && term.kind === "is") query.append(param, String(term.value));
    else if (param) query.append(`not.${param}`, String(term.value));
    else query.append(`${term.kind}.${term.path}`, JSON.stringify(term.value));
  }
  if (view.q) query.set("q", view.q);
  if (view.filter) query.set("filter", view.filter);
  if (view.order === "asc") query.set("order", "asc");
  if (view.split !== START.split) query.set("split", view.split);
  if (view.live) query.set("live", "");
  if (view.at) query.set("at", view.at);
  if (view.event) query.set("event", view.event);
  return query.toString().replace("live=&", "live&").replace(/live=$/, "live");
}

/** A view's address below `base`, such as `/viewer`. */
export function formatView(view: View, base: string): string {
  const query = formatQuery(view);
  return `${base}${view.page === "events" ? "" : `/${view.page}`}${query ? `?${query}` : ""}`;
}

/** The question that a view asks, as parameters of the API: conditions, time, tenant and log, but neither order nor page. */
export function question(view: View, without: string | null = null): URLSearchParams {
  const params = new URLSearchParams();
  if (view.tenant) params.set("tenant", view.tenant);
  if (view.page === "access") params.set("log", "access");
  const { since, until } = bounds(view.range);
  if (since) params.set("since", since);
  if (until) params.set("until", until);
  if (view.q.trim()) params.set("q", view.q.trim());
  const tests = view.filter.trim() ? [`(${view.filter.trim()})`] : [];
  const any = new Map<string, Scalar[]>();
  for (const term of view.terms) {
    if (term.path === without) continue;
    const { param } = field(term.path);
    if (term.kind === "present") tests.push(`${term.path} pr`);
    else if (term.kind === "absent") tests.push(`not (${term.path} pr)`);
    else if (term.value === undefined) continue;
    else if (term.kind === "not") tests.push(`${term.path} ne ${literal(term.path, term.value)}`);
    else if (param && term.value !== "") params.append(param, String(term.value));
    else any.set(term.path, [...(any.get(term.path) ?? []), term.value]);
  }
  for (const [path, values] of any) {
    tests.push(`(${values.map((value) => `${path} eq ${literal(path, value)}`).join(" or ")})`);
  }
  if (tests.length) params.set("filter", tests.join(" and "));
  return params;
}

/** A value as a filter writes it: links hold all values of fields with a parameter as texts. */
function literal(path: string, value: Scalar): string {
  if (path === "request.status_code") return String(Number(value));
  if (path === "changes.complete") return String(value === "true" || value === true);
  return JSON.stringify(value);
}

export function sameTerm(one: Term, other: Term): boolean {
  return one.kind === other.kind && one.path === other.path && one.value === other.value;
}

/** The terms with one more; its opposite goes. */
export function withTerm(terms: readonly Term[], term: Term): Term[] {
  const opposite = { is: "not", not: "is", present: "absent", absent: "present" }[term.kind];
  const left = terms.filter((one) => !sameTerm(one, term) && !sameTerm(one, { ...term, kind: opposite } as Term));
  return [...left, term];
}

export function withoutTerm(terms: readonly Term[], term: Term): Term[] {
  return terms.filter((one) => !sameTerm(one, term));
}

/** The view of everything else that shares a value with an event. */
export function viewOf(view: View, path: string, value: Scalar): View {
  return { ...view, page: view.page === "access" ? "access" : "events", terms: [{ kind: "is", path, value }], q: "", filter: "", event: null, subject: null };
}

/** The field that a JSON Pointer's names lead to, with arrays passed through. */
export function fieldAt(names: readonly string[]): Field {
  return field(quotedPath(names.filter((name) => !/^\d+$/.test(name))));
}
