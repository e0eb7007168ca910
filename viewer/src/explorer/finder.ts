/** Asks what a view asks, and holds what came back: events, counts, the histogram. A later question ends the one before. */

import { type Api, ApiError } from "../api/client.js";
import type { AuditEvent, EventsPage, FieldCounts, Summary } from "../api/types.js";
import { FACETS, SPLITS } from "../view/fields.js";
import { ALL_TIME, bounds, intervalFor, lengthMs, zoneName } from "../view/time.js";
import { type View, question } from "../view/view.js";
import type { Viewer } from "../viewer.js";
import { type Asked, ask, questionOf } from "./asked.js";
import { Rows } from "./rows.js";

/** Values told of a facet. */
const FACET_VALUES = 8;

/** The commonest values of a field, where there are not too many different ones to be counted. */
export type Facet = FieldCounts | "too many";

/** Fires `change`. */
export class Finder extends EventTarget {
  rows: Rows | null = null;
  summary: Summary | null = null;
  /** By the paths of the facets. */
  facets: Record<string, Facet> = {};
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
    const { view: fixed, params, asking, first } = this.#ask(view);
    this.#asking = asking;
    this.loading = true;
    this.error = null;
    this.#tell();
    const learn = (events: AuditEvent[]) => this.viewer.learn(events);
    const changed = (error?: unknown) => {
      if (error) this.error = asApiError(error);
      this.#tell();
    };
    first.then(
      (page) => {
        if (asking.signal.aborted) return;
        const rows = new Rows(this.#api, params, page, changed, learn);
        this.rows = rows;
        this.loading = false;
        this.#tell();
        // As of the same size, so that the total is that of the rows.
        this.count(fixed, rows);
      },
      (error: unknown) => {
        if (asking.signal.aborted) return;
        this.rows = null;
        this.error = asApiError(error);
        this.loading = false;
        // Nothing is counted of a question that has no answer.
        this.counting = false;
        this.#tell();
      },
    );
    this.#counting?.abort();
    this.counting = true;
  }

  /** What the page asked while it began, if this is it. */
  #ask(view: View): Asked {
    const { opening } = this.viewer;
    this.viewer.opening = null;
    if (opening?.question === questionOf(view)) return opening;
    opening?.asking.abort();
    return ask(this.#api, view);
  }

  /** Counts the view's events anew: by time and by the facets; those among `rows`, or all there are by now. */
  count(view: View, rows: Rows | null = null): void {
    this.#counting?.abort();
    const counting = new AbortController();
    this.#counting = counting;
    this.counting = true;
    this.countError = null;
    this.#tell();
    this.#count(view, rows, counting.signal).then(
      () => {
        if (rows && this.summary) rows.counted(this.summary.total);
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

  async #count(view: View, rows: Rows | null, signal: AbortSignal): Promise<void> {
    const span = await this.#span(view, signal);
    // A facet of which a value was chosen goes on showing the others.
    const apart = FACETS.filter((path) => !this.viewer.hides(path) && view.terms.some((term) => term.path === path));
    const together = FACETS.filter((path) => !this.viewer.hides(path) && !apart.includes(path));
    const bars = question(view);
    if (rows) bars.set("size", String(rows.size));
    bars.set("limit", String(FACET_VALUES));
    bars.set("interval", intervalFor(span.to - span.from));
    bars.set("tz", zoneName(this.viewer.zone));
    const split = [view.split, ...SPLITS].find((path) => !this.viewer.hides(path));
    if (split) bars.set("split", split);
    const [summary, alone] = await Promise.all([
      this.#bars(bars, together, signal),
      this.#facets(apart, (path) => question(view, path), rows, signal),
    ]);
    const counted = summary.counts ?? (await this.#facets(together, () => question(view), rows, signal));
    this.summary = summary;
    this.span = span;
    this.facets = { ...counted, ...alone };
    void this.#name(view, signal);
  }

  /** The histogram, with the facets where they have few enough different values to be counted at once. */
  async #bars(params: URLSearchParams, facets: readonly string[], signal: AbortSignal): Promise<Summary> {
    const all = new URLSearchParams(params);
    for (const path of facets) all.append("by", path);
    try {
      const summary = await this.#api.json<Summary>("/v1/summary", all, { signal });
      return { ...summary, counts: summary.counts ?? {} };
    } catch (error) {
      if (!hasTooMany(error)) throw error;
      return this.#api.json<Summary>("/v1/summary", params, { signal });
    }
  }

  /** Each of these by itself, of what its question finds. */
  async #facets(paths: readonly string[], asking: (path: string) => URLSearchParams, rows: Rows | null, signal: AbortSignal): Promise<Record<string, Facet>> {
    const counted = paths.map(async (path): Promise<[string, Facet]> => {
      const params = asking(path);
      params.set("by", path);
      params.set("limit", String(FACET_VALUES));
      if (rows) params.set("size", String(rows.size));
      try {
        const { counts } = await this.#api.json<Summary>("/v1/summary", params, { signal });
        return [path, counts?.[path] ?? "too many"];
      } catch (error) {
        if (!hasTooMany(error)) throw error;
        return [path, "too many"];
      }
    });
    return Object.fromEntries(await Promise.all(counted));
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
    const actors = this.facets["actor.id"];
    const ids = (actors === undefined || actors === "too many" ? [] : actors.values).map((one) => one.value).filter((id) => typeof id === "string");
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

/** Whether a count failed because the field has too many different values. */
function hasTooMany(error: unknown): boolean {
  return error instanceof ApiError && error.code === "parameter_value" && error.problem.parameter === "by";
}

export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, { code: "viewer", detail: String(error) }, null);
}
