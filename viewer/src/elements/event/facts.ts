/** The sections of an event: names and values, each only where there is something. */

import { type TemplateResult, css, html, nothing } from "lit";
import type { Actor, AuditEvent, Json, Target } from "../../api/types.js";
import { Digits, type Exact, isObject } from "../../proof/json.js";
import { eventText } from "../../text/event.js";
import { fieldName } from "../../text/fields.js";
import type { Viewer } from "../../viewer.js";
import { isBranch } from "./json-tree.js";
import { actorName, operationOf } from "./sentence.js";
import "./leaf.js";

export const factStyles = css`
  section { padding: 12px 16px; border-top: 1px solid var(--line); min-width: 0; }
  section > h3 { font-size: 12px; letter-spacing: 0.03em; color: var(--text-2); margin-bottom: 6px; font-weight: 600; }
  dl { display: grid; grid-template-columns: minmax(84px, min(28%, 170px)) minmax(0, 1fr); gap: 4px 12px; margin: 0; }
  dt { color: var(--text-2); overflow-wrap: anywhere; }
  dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
  dl + dl, dl + annals-json { margin-top: 4px; }
  ol.targets { list-style: none; margin: 0; padding: 0; display: grid; gap: 8px; }
  ol.targets > li { min-width: 0; overflow-wrap: anywhere; padding-inline-start: 10px; border-inline-start: 2px solid var(--line); }
  .line { display: flex; flex-wrap: wrap; column-gap: 10px; align-items: baseline; }
  .tag { font-size: 12px; color: var(--text-2); }
  @container (max-width: 300px) { dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: 4px; } }
`;

/** Targets shown at first, and how many more each time somebody asks: a thousand at once would make a phone wait. */
export const TARGETS_SHOWN = 20;
export const TARGETS_MORE = 200;

/** Members of the model; all others are the client's own. */
const MODEL = [
  "id", "tenant", "occurred_at", "action", "operation", "category", "severity", "description", "reason", "actor", "targets", "context", "request", "trace",
  "outcome", "changes", "scope", "source", "metadata", "position", "received_at", "derived", "ledger_seq", "kind",
];

type Row = [path: string, value: Json | Digits | undefined, name?: string, more?: { note?: string; erased?: boolean }];

export function section(title: string, body: TemplateResult | typeof nothing | null) {
  return body === nothing || body === null ? nothing : html`<section><h3>${title}</h3>${body}</section>`;
}

/** Rows of names and values; null where there is none. */
export function facts(viewer: Viewer, rows: readonly Row[]): TemplateResult | null {
  const there = rows.filter(([, value]) => value !== undefined && value !== null);
  if (!there.length) return null;
  return html`<dl>${there.map(([path, value, name, more]) => html`<dt>${name ?? fieldName(path, viewer.language)}</dt>
    <dd>${any(viewer, value as Exact, path, more)}${more?.note ? html` <span class="tag">(${more.note})</span>` : nothing}</dd>`)}</dl>`;
}

/** Members that the model does not name; null where there is none. Made once for an object, as a tree stays open while its value is the same. */
const rests = new WeakMap<object, { [name: string]: Exact }>();

function rest(viewer: Viewer, object: object | undefined, names: readonly string[], known: readonly string[]) {
  if (!object) return null;
  const found = rests.get(object) ?? Object.fromEntries(Object.entries(object as { [name: string]: Exact }).filter(([name]) => !known.includes(name)));
  rests.set(object, found);
  return Object.keys(found).length ? tree(viewer, found, names) : null;
}

/** Rows, and what else stands in the object. */
function whole(viewer: Viewer, object: object | undefined, names: readonly string[], rows: readonly Row[], also: readonly string[] = []) {
  if (!object) return null;
  const own = rows.filter(([path]) => path.startsWith(`${names.join(".")}.`)).map(([path]) => path.split(".")[names.length] as string);
  const [named, others] = [facts(viewer, rows), rest(viewer, object, names, [...own, ...also])];
  return named || others ? html`${named}${others}` : null;
}

/** A scalar, or a tree. */
function any(viewer: Viewer, value: Exact, path: string, more: Row[3] = {}) {
  if (isBranch(value)) return tree(viewer, value, path.split("."));
  return html`<annals-leaf .viewer=${viewer} .path=${path} .value=${value} .erased=${more.erased ?? false}></annals-leaf>`;
}

function tree(viewer: Viewer, value: Exact, names: readonly string[]) {
  return html`<annals-json .viewer=${viewer} .value=${value} .names=${names}></annals-json>`;
}

export function actorFacts(viewer: Viewer, event: AuditEvent) {
  const { actor } = event as { actor?: Actor };
  if (!actor) return null;
  const t = eventText(viewer.language);
  const chain = (actor.chain ?? []).filter(isObject) as NonNullable<Actor["chain"]>;
  const rows = whole(viewer, actor, ["actor"], [
    ["actor.name", actor.name, t.name], ["actor.email", actor.email, t.email], ["actor.id", actor.id, t.id, { erased: isErased(event) }], ["actor.type", actor.type, t.type],
    ["actor.credential.id", actor.credential?.id], ["actor.credential.type", actor.credential?.type],
    ["actor.metadata", actor.metadata as Json | undefined, t.metadata],
  ], ["chain"]);
  return html`${rows}${chain.length ? behalf(viewer, chain, actor) : nothing}`;
}

function isErased(event: AuditEvent): boolean {
  return (event.derived?.erased ?? []).length > 0;
}

/** The chain as one line, outermost first: who wanted it, through whom, and who did it. */
function behalf(viewer: Viewer, chain: NonNullable<Actor["chain"]>, actor: Actor) {
  const t = eventText(viewer.language);
  const link = (one: NonNullable<Actor["chain"]>[number]) => one.id
    ? html`<annals-leaf .viewer=${viewer} path="actor.chain.id" .value=${one.id} .label=${one.name || one.id}></annals-leaf>`
    : html`<annals-leaf .viewer=${viewer} .path=${one.name ? "actor.chain.name" : "actor.chain.type"} .value=${one.name || one.type || ""}></annals-leaf>`;
  return html`<dl><dt>${t.behalf}</dt><dd>${chain.map((one, at) => html`${at ? html` → ` : nothing}${link(one)}${one.type && (one.name || one.id)
    ? html` <bdi class="tag">${one.type}</bdi>` : nothing}`)} → <bdi class="quiet">${actorName(actor)}</bdi>
    ${chain.map((one) => rest(viewer, one, ["actor", "chain"], ["type", "id", "name"]))}</dd></dl>`;
}

export function targetFacts(viewer: Viewer, event: AuditEvent, limit: number, showMore: () => void) {
  const t = eventText(viewer.language);
  const targets: readonly Target[] = event.targets ?? [];
  const erased = isErased(event);
  if (!targets.length) return null;
  const shown = targets.slice(0, limit);
  const left = targets.length - shown.length;
  return html`<ol class="targets">${shown.map((target) => html`<li>
      <div class="line">${target.name && target.name !== target.id ? leaf(viewer, "targets.name", target.name) : nothing}
        ${target.type ? html`<span class="tag">${leaf(viewer, "targets.type", target.type)}</span>` : nothing}</div>
      ${target.id ? html`<div class="mono">${leaf(viewer, "targets.id", target.id, target.type ?? null, erased)}</div>` : nothing}
      ${target.metadata ? tree(viewer, target.metadata as Exact, ["targets", "metadata"]) : nothing}
      ${rest(viewer, target, ["targets"], ["type", "id", "name", "metadata"])}</li>`)}</ol>
    ${left > 0 ? html`<p><button @click=${showMore}>${left > TARGETS_MORE ? t.showMore(TARGETS_MORE) : t.showAll(targets.length)}</button></p>` : nothing}`;
}

function leaf(viewer: Viewer, path: string, value: string, type: string | null = null, erased = false) {
  return html`<annals-leaf .viewer=${viewer} .path=${path} .value=${value} .type=${type} .erased=${erased}></annals-leaf>`;
}

export function contextFacts(viewer: Viewer, context: AuditEvent["context"]) {
  return whole(viewer, context, ["context"], rowsOf("context", context, ["ip", "location", "user_agent", "session_id", "application"]));
}

export function requestFacts(viewer: Viewer, request: AuditEvent["request"]) {
  return whole(viewer, request, ["request"], rowsOf("request", request, ["method", "path", "status_code", "id"]));
}

/** The result stands above everything. */
export function outcomeFacts(viewer: Viewer, event: AuditEvent) {
  const outcome = whole(viewer, event.outcome, ["outcome"], rowsOf("outcome", event.outcome, ["reason"]), ["result"]);
  const reason = facts(viewer, [["reason", event.reason]]);
  return outcome || reason ? html`${outcome}${reason}` : null;
}

export function scopeFacts(viewer: Viewer, event: AuditEvent) {
  return whole(viewer, event.scope, ["scope"], rowsOf("scope", event.scope, ["team", "project"]));
}

export function sourceFacts(viewer: Viewer, source: AuditEvent["source"]) {
  const t = eventText(viewer.language);
  return whole(viewer, source, ["source"], [
    ["source.name", source?.name, t.name], ["source.version", source?.version, t.version], ["source.instance", source?.instance, t.instance],
    ["source.seq", source?.seq, t.sequence],
  ]);
}

export function traceFacts(viewer: Viewer, trace: AuditEvent["trace"]) {
  return whole(viewer, trace, ["trace"], rowsOf("trace", trace, ["trace_id", "span_id"]));
}

function rowsOf(name: string, object: object | undefined, members: readonly string[]): Row[] {
  return members.map((member) => [`${name}.${member}`, (object as Record<string, Json> | undefined)?.[member]]);
}

export function aboutFacts(viewer: Viewer, event: AuditEvent) {
  const t = eventText(viewer.language);
  return facts(viewer, [
    ["operation", operationOf(event), undefined, event.operation ? {} : { note: t.derived }], ["category", event.category],
    ["severity", event.severity], ["id", event.id, t.id], ["position", event.position, t.position], ["", event.tenant, t.tenant],
  ]);
}

export function metadataFacts(viewer: Viewer, metadata: Exact | undefined) {
  return isObject(metadata) && Object.keys(metadata).length ? tree(viewer, metadata, ["metadata"]) : null;
}

/** Members that the model does not know. */
export function otherFacts(viewer: Viewer, event: AuditEvent) {
  return rest(viewer, event, [], MODEL);
}
