/** Reads the events that a target's history is folded from. */

import type { Api } from "../api/client.js";
import { isHidden } from "../api/token.js";
import type { AuditEvent, EventsPage } from "../api/types.js";
import type { Subject } from "../view/view.js";
import { type History, fold } from "./fold.js";

/** Changes that are looked at, the newest ones. */
export const CHANGES_MAX = 10_000;

const PAGE = 1_000;

/** Events that say what they changed, and those that say only that. */
const CHANGING = ["create", "update", "delete", "snapshot"].map((operation) => `operation eq "${operation}"`).join(" or ");

export interface Loaded {
  history: History;
  events: Map<string, AuditEvent>;
  /** Older changes were left out. */
  cut: boolean;
}

/**
 * The history of a target within `params` (time, tenant); `read` hears how many events were read so far. Where a part of the changes is
 * `hidden`, no event can be asked for by them, and none tells a whole state.
 */
export async function load(
  api: Api, subject: Subject, params: URLSearchParams, hidden: readonly string[], signal: AbortSignal, read: (count: number) => void, max = CHANGES_MAX,
): Promise<Loaded> {
  const partly = isHidden(hidden, "changes");
  const tests = [...(partly ? [] : ["changes pr"]), ...(isHidden(hidden, "operation") ? [] : [CHANGING])];
  // What cannot be asked for by either is found among all there is.
  const filter: [string, string][] = tests.length === (partly ? 1 : 2) ? [["filter", tests.join(" or ")]] : [];
  const { events, cut } = await readAll(api, new URLSearchParams([...params, ...ofTarget(subject), ...filter]), signal, read, max);
  return { history: fold(events, subject, { hidden: partly }), events: new Map(events.map((event) => [event.id, event])), cut };
}

interface Read {
  events: AuditEvent[];
  cut: boolean;
}

async function readAll(api: Api, asked: URLSearchParams, signal: AbortSignal, read: (count: number) => void, max: number): Promise<Read> {
  asked.set("limit", String(PAGE));
  const events: AuditEvent[] = [];
  let next: string | null = null;
  do {
    const query: URLSearchParams = next === null ? asked : new URLSearchParams({ cursor: next, limit: String(PAGE) });
    const page: EventsPage = await api.json<EventsPage>("/v1/events", query, { signal });
    events.push(...page.events.slice(0, max - events.length));
    next = page.next;
    read(events.length);
  } while (next !== null && events.length < max);
  return { events, cut: next !== null };
}

/** The conditions for one target. */
export function ofTarget(subject: Subject): [string, string][] {
  const id: [string, string] = ["targets_id", subject.id];
  return subject.type === null ? [id] : [["targets_type", subject.type], id];
}
