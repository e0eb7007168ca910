/** Reads the events that a target's history is folded from. */

import type { Api } from "../api/client.js";
import { unlessHidden } from "../api/hidden.js";
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

/** The history of a target within `params` (time, tenant); `read` hears how many events were read so far. */
export async function load(api: Api, subject: Subject, params: URLSearchParams, signal: AbortSignal, read: (count: number) => void, max = CHANGES_MAX): Promise<Loaded> {
  const asked = (filter: string | null) => readAll(api, new URLSearchParams([...params, ...ofTarget(subject), ...(filter ? [["filter", filter]] : [])]), signal, read, max);
  const done = ({ events, cut }: Read, hidden: boolean): Loaded => ({
    history: fold(events, subject, { hidden }),
    events: new Map(events.map((event) => [event.id, event])),
    cut,
  });
  // Where a part of the changes is hidden, no event can be asked for by them, and none tells a whole state.
  const other = async () => done(await unlessHidden(asked(CHANGING), () => asked(null)), true);
  return unlessHidden(asked(`changes pr or ${CHANGING}`).then((all) => done(all, false)), other);
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
