/** The members of an event that can be asked about, and how a query names them. */

import type { AuditEvent, Json } from "../api/types.js";

export interface Field {
  /** As a filter names it. */
  path: string;
  /** The query parameter for it; none where only a filter can ask. */
  param: string | null;
}

/** Paths that the API takes as parameters of their own: the path with underscores. */
const NAMED = [
  "action", "operation", "category", "severity", "description", "reason",
  "actor.id", "actor.type", "actor.name", "actor.email", "actor.credential.id", "actor.credential.type",
  "actor.chain.id", "actor.chain.type", "actor.chain.name",
  "targets.type", "targets.id", "targets.name",
  "context.ip", "context.user_agent", "context.session_id", "context.application",
  "request.id", "request.method", "request.path", "request.status_code",
  "trace.trace_id", "trace.span_id",
  "outcome.result", "outcome.reason",
  "changes.complete", "scope.team", "scope.project",
  "source.name", "source.version", "source.instance",
] as const;

const BY_PATH = new Map<string, Field>(NAMED.map((path) => [path, { path, param: path.replaceAll(".", "_") }]));
const BY_PARAM = new Map<string, Field>([...BY_PATH.values()].map((field) => [field.param as string, field]));

/** All fields with a parameter, most useful first. */
export const FIELDS: readonly Field[] = [...BY_PATH.values()];

/** The field with this path; any path is one, inside `metadata` and `changes` above all. */
export function field(path: string): Field {
  return BY_PATH.get(path) ?? { path, param: null };
}

/** The field that a query parameter asks about. */
export function fieldOfParam(param: string): Field | null {
  return BY_PARAM.get(param) ?? null;
}

/** What the facets count. */
export const FACETS = ["action", "actor.id", "targets.type", "category", "outcome.result", "operation", "context.ip"] as const;

/** What bars of the histogram may be stacked by. */
export const SPLITS = ["outcome.result", "operation"] as const;
export type Split = (typeof SPLITS)[number];

/** A path with each name quoted where the grammar needs it. */
export function quotedPath(names: readonly string[]): string {
  return names.map((name) => (/^[A-Za-z_$][A-Za-z0-9_$-]*$/.test(name) ? name : JSON.stringify(name))).join(".");
}

/** The name that people know an actor by, as far as an event tells it. */
export function nameOf(event: AuditEvent, path: string, value: Json): string | null {
  if (path === "actor.id" && event.actor.id === value) return event.actor.name ?? event.actor.email ?? null;
  if (path === "targets.id") return event.targets?.find((target) => target.id === value)?.name ?? null;
  return null;
}
