/** Asks what a view asks, and holds what came back: events, counts, the histogram. A later question ends the one before. */

import { type Api, ApiError } from "../api/client.js";
import type { AuditEvent, EventsPage, FieldCounts, Summary } from "../api/types.js";
import { FACETS, SPLITS } from "../view/fields.js";
import { ALL_TIME, bounds, intervalFor, lengthMs, zoneName } from "../view/time.js";
import { type View, question } from "../view/view.js";
import type { Viewer } from "../viewer.js";
import { Rows } from "./rows.js";

/** Values told of a facet. */
const FACET_VALUES = 8;

/** What a question is: a view without what only changes how its answer is looked at. */
export function questionOf(view: View): string {
  return JSON.stringify([view.page === "access", view.tenant, view.range, view.terms, view.q, view.filter, view.order]);
}

/** Fires `change`. */
export class Finder extends EventTarget {
  rows: Rows | null = null;
  summary: Summary | null = null;
  /** By the paths of the facets. */
  facets: Record<string, FieldCounts> = {};
  /** The stretch that the histogram shows, ms. */
  span: { from: number; to: number } | null = null;
  /** Events are on their way. */
  loading = false;
  counting = false;
  error: ApiError | null = null;
  countError: ApiError | null = null;
  #asking: AbortController | null = null;
  #counting: AbortController | null = null;

  constructor(private readonly viewer: Viewer) {
    super();
  }

  get #api(): Api {
    return this.viewer.api;
  }

  /** Asks the view's question anew. */
  ask(view: View): void {
    this.end();
    const asking = new AbortController();
    this.#asking = asking;
    this.loading = true;
    this.error = null;
    this.#tell();
    const params = question(view);
    if (view.order === "asc") params.set("order", "asc");
    const learn = (events: AuditEvent[]) => this.viewer.learn(events);
    const changed = (error?: unknown) => {
      if (error) this.error = asApiError(error);
      this.#tell();
    };
    Rows.ask(this.#api, params, asking.signal, changed, learn).then(
      (rows) => {
        this.rows = rows;
        this.loading = false;
        this.#tell();
      },
      (error: unknown) => {
        if (asking.signal.aborted) return;
        this.rows = null;
        this.error = asApiError(error);
        this.loading = false;
        this.#tell();
      },
    );
    this.count(view);
  }

  /** Counts the view's events anew: by time and by the facets. */
  count(view: View): void {
    this.#counting?.abort();
    const counting = new AbortController();
    this.#counting = counting;
    this.counting = true;
    this.countError = null;
    this.#tell();
    this.#count(view, counting.signal).then(
      () => {
        this.counting = false;
        this.#tell();
      },
      (error: unknown) => {
        if (counting.signal.aborted) return;
        this.countError = asApiError(error);
        this.counting = false;
        this.summary = null;
        this.#tell();
      },
    );
  }

  async #count(view: View, signal: AbortSignal): Promise<void> {
    const span = await this.#span(view, signal);
    const params = question(view);
    params.set("interval", intervalFor(span.to - span.from));
    params.set("tz", zoneName(this.viewer.zone));
    const split = [view.split, ...SPLITS].find((path) => !this.viewer.hides(path));
    if (split) params.set("split", split);
    params.set("limit", String(FACET_VALUES));
    const facets = FACETS.filter((path) => !this.viewer.hides(path));
    for (const path of facets) params.append("by", path);
    const chosen = facets.filter((path) => view.terms.some((term) => term.path === path));
    const asked = [this.#api.json<Summary>("/v1/summary", params, { signal })];
    // A facet of which a value was chosen goes on showing the others.
    for (const path of chosen) {
      const others = question(view, path);
      others.set("by", path);
      others.set("limit", String(FACET_VALUES));
      asked.push(this.#api.json<Summary>("/v1/summary", others, { signal }));
    }
    const [summary, ...others] = await Promise.all(asked);
    this.summary = summary as Summary;
    this.span = span;
    this.facets = { ...summary?.counts };
    chosen.forEach((path, index) => {
      const counts = others[index]?.counts?.[path];
      if (counts) this.facets[path] = counts;
    });
    void this.#name(view, signal);
  }

  /** From where to where the bars go: what was asked for, or from the first to the last event. */
  async #span(view: View, signal: AbortSignal): Promise<{ from: number; to: number }> {
    const { since, until } = bounds(view.range);
    const to = until ? Date.parse(until) : Date.now();
    if (since) return { from: Date.parse(since), to: Math.max(to, Date.parse(since) + 60_000) };
    const params = question({ ...view, range: until ? { since: null, until } : ALL_TIME });
    params.set("interval", "1mo");
    const all = await this.#api.json<Summary>("/v1/summary", params, { signal });
    const first = all.histogram?.buckets.find((bucket) => bucket.count > 0);
    const day = lengthMs("1d") as number;
    return { from: Math.min(first ? Date.parse(first.start) : to - 30 * day, to - day), to };
  }

  /** Learns the names of those actors among the facets of whom no event told one yet. */
  async #name(view: View, signal: AbortSignal): Promise<void> {
    const ids = (this.facets["actor.id"]?.values ?? []).map((one) => one.value).filter((id) => typeof id === "string");
    const unknown = ids.filter((id) => id !== "" && this.viewer.nameOf("actor.id", id) === null);
    if (!unknown.length || view.page === "access") return;
    // Each is asked for by itself: a page of all of them may be full of the busiest.
    const asked = unknown.map(async (id) => {
      const params = question({ ...view, terms: [{ kind: "is", path: "actor.id", value: id }], q: "", filter: "" });
      params.set("limit", "1");
      this.viewer.learn((await this.#api.json<EventsPage>("/v1/events", params, { signal })).events);
    });
    // Where that fails, ids do as well.
    await Promise.allSettled(asked);
    this.#tell();
  }

  end(): void {
    this.#asking?.abort();
    this.#counting?.abort();
    this.rows?.end();
  }

  #tell(): void {
    this.dispatchEvent(new Event("change"));
  }
}

export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, { code: "viewer", detail: String(error) }, null);
}
