/** What the native API gives; `docs/reference/http-api.md` and `/openapi.json` say what each is. */

/** Any JSON. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

export interface Actor {
  type?: string;
  id?: string;
  name?: string;
  email?: string;
  credential?: { type?: string; id?: string };
  /** On whose behalf, outermost first. */
  chain?: { type?: string; id?: string; name?: string }[];
  metadata?: Record<string, Json>;
}

export interface Target {
  type?: string;
  id?: string;
  name?: string;
  metadata?: Record<string, Json>;
}

export type Result = "success" | "failure" | "denied" | "unknown";

/** An event as it reads back. Members the model does not know may stand beside these. */
export interface AuditEvent {
  id: string;
  tenant?: string;
  occurred_at?: string;
  action: string;
  operation?: string;
  category?: string;
  severity?: string;
  description?: string;
  reason?: string;
  actor: Actor;
  targets?: Target[];
  context?: { ip?: string; user_agent?: string; session_id?: string; location?: Json; application?: string };
  request?: { id?: string; method?: string; path?: string; status_code?: number };
  trace?: { trace_id?: string; span_id?: string };
  outcome?: { result?: Result; reason?: string };
  changes?: { before?: Json; after?: Json; complete?: boolean };
  scope?: { team?: string; project?: string };
  source?: { name?: string; version?: string; instance?: string; seq?: number };
  metadata?: Record<string, Json>;
  position: number;
  received_at: string;
  /** What annals fills in where the client said nothing; see `occurredAt` and `operationOf`. */
  derived?: {
    occurred_at?: string;
    operation?: string;
    /** Positions of the entries that erased something of it. */
    erased?: number[];
    [name: string]: Json | undefined;
  };
}

/** When it occurred by the client's clock, or where the client did not say, was received. */
export function occurredAt(event: AuditEvent): string {
  return event.occurred_at ?? event.derived?.occurred_at ?? event.received_at;
}

/** What kind of action it was, as sent or derived. */
export function operationOf(event: AuditEvent): string {
  return event.operation ?? event.derived?.operation ?? "other";
}

/** A page of `GET /v1/events`. */
export interface EventsPage {
  events: AuditEvent[];
  next: string | null;
  /** As of which size of the log this was answered. */
  size: number;
  total?: number | null;
  partial?: boolean;
}

export interface FieldCounts {
  values: { value: Json; count: number }[];
  distinct: number;
  missing: number;
}

/** One row of a histogram that is split by a field: a count for each bucket. */
export interface Series {
  value: Json;
  counts: number[];
}

/** `GET /v1/summary`. */
export interface Summary {
  size: number;
  total: number;
  counts?: Record<string, FieldCounts>;
  histogram?: {
    interval: string;
    tz: string;
    buckets: { start: string; count: number }[];
    series?: Series[];
    missing?: number[];
    other?: number[];
  };
}

/** Who is signed in: `GET /v1/session`. */
export interface Session {
  key_id: string;
  name: string | null;
  email?: string | null;
  /** None: all tenants. */
  tenant: string | null;
  scopes: string[];
  expires_at: string;
}

/** An error of the API, as RFC 9457 has it. */
export interface Problem {
  code: string;
  title?: string;
  detail?: string;
  status?: number;
  parameter?: string;
  request_id?: string;
}
