/** A question to the log, on its way: what was asked, and its first block. */

import type { Api } from "../api/client.js";
import type { EventsPage } from "../api/types.js";
import { bounds } from "../view/time.js";
import { type View, question } from "../view/view.js";
import { BLOCK_ROWS } from "./rows.js";

export interface Asked {
  /** What `questionOf` the view is. */
  question: string;
  /** The view with its stretch fixed, also where that ends now: pages and counts are of one. */
  view: View;
  /** The question as the API has it. */
  params: URLSearchParams;
  /** Ends it. */
  asking: AbortController;
  first: Promise<EventsPage>;
}

/** What a question is: a view without what only changes how its answer is looked at. */
export function questionOf(view: View): string {
  return JSON.stringify([view.page === "access", view.tenant, view.range, view.terms, view.q, view.filter, view.order]);
}

/** Asks what a view asks, for the first block. */
export function ask(api: Api, view: View): Asked {
  const fixed: View = { ...view, range: bounds(view.range) };
  const params = question(fixed);
  if (view.order === "asc") params.set("order", "asc");
  const page = new URLSearchParams(params);
  page.set("limit", String(BLOCK_ROWS));
  page.set("partial", "true");
  const asking = new AbortController();
  return { question: questionOf(view), view: fixed, params, asking, first: api.json<EventsPage>("/v1/events", page, { signal: asking.signal }) };
}
