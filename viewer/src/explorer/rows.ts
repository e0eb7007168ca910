/**
 * The events that a question finds, by their place in the answer: whoever scrolls to the millionth asks for the block it stands in.
 * All blocks are as of the size of the first, so nothing moves while events arrive; only so many are kept.
 */

import type { Api } from "../api/client.js";
import { type AuditEvent, type EventsPage, type Summary, occurredAt } from "../api/types.js";

/** Events of a block, and blocks that are kept. */
export const BLOCK_ROWS = 100;
const BLOCKS_MAX = 60;

/** Places without an answer yet are asked for after so long a rest: whoever drags past them does not want them. */
const REST_MS = 60;

export class Rows {
  /** Events found, as far as is known. */
  total: number;
  /** As of which size of the log. */
  readonly size: number;
  /** Not counted, or not yet: there may be more behind the last that is known. */
  open: boolean;
  #blocks = new Map<number, AuditEvent[]>();
  #asked = new Map<number, AbortController>();
  /** The block in which an event was looked for last: it is wanted without being seen. */
  #placing = -1;
  #resting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly api: Api,
    private readonly params: URLSearchParams,
    first: EventsPage,
    /** Called when more is known; with the error where asking failed. */
    private readonly changed: (error?: unknown) => void,
    private readonly learn: (events: AuditEvent[]) => void,
  ) {
    this.size = first.size;
    this.total = first.events.length + (first.next ? BLOCK_ROWS : 0);
    this.open = first.next !== null;
    this.#keep(0, first.events);
  }

  /** All were counted, as of this size. */
  counted(total: number): void {
    this.total = total;
    this.open = false;
  }

  /** The event at a place; null while it is not there. */
  at(index: number): AuditEvent | null {
    return this.#blocks.get(Math.floor(index / BLOCK_ROWS))?.[index % BLOCK_ROWS] ?? null;
  }

  /** Where the event with this id is, among those that are there; -1 for none. */
  indexOf(id: string, tenant: string | null): number {
    for (const [block, events] of this.#blocks) {
      const at = events.findIndex((event) => event.id === id && (tenant === null || event.tenant === undefined || event.tenant === tenant));
      if (at >= 0) return block * BLOCK_ROWS + at;
    }
    return -1;
  }

  /** The place of an event that may not be there yet: so many come before it; -1 where it is not among those found. Throws what the API does. */
  async placeOf(event: AuditEvent): Promise<number> {
    const known = this.indexOf(event.id, event.tenant ?? null);
    if (known >= 0) return known;
    const [at, before] = [JSON.stringify(occurredAt(event)), this.params.get("order") === "asc" ? "lt" : "gt"];
    const params = new URLSearchParams(this.params);
    params.delete("order");
    const test = `(occurred_at ${before} ${at} or (occurred_at eq ${at} and position ${before} ${event.position}))`;
    params.set("filter", [params.get("filter"), test].filter(Boolean).join(" and "));
    params.set("size", String(this.size));
    const { total } = await this.api.json<Summary>("/v1/summary", params);
    this.#placing = Math.floor(total / BLOCK_ROWS);
    await this.#load(this.#placing);
    return this.indexOf(event.id, event.tenant ?? null);
  }

  /** Sees to it that these places are known soon; what was asked for and is wanted no more is given up. */
  want(first: number, last: number): void {
    clearTimeout(this.#resting);
    const from = Math.floor(Math.max(0, first) / BLOCK_ROWS);
    const to = Math.floor(Math.max(0, Math.min(last, this.total - 1)) / BLOCK_ROWS);
    for (const [block, asking] of this.#asked) {
      if ((block < from || block > to) && block !== this.#placing) asking.abort();
    }
    const missing: number[] = [];
    for (let block = from; block <= to; block++) {
      if (!this.#blocks.has(block) && !this.#asked.has(block)) missing.push(block);
    }
    if (missing.length) this.#resting = setTimeout(() => missing.forEach((block) => void this.#load(block)), REST_MS);
  }

  /** Nothing more is asked for. */
  end(): void {
    clearTimeout(this.#resting);
    for (const asking of this.#asked.values()) asking.abort();
  }

  async #load(block: number): Promise<void> {
    const asking = new AbortController();
    this.#asked.set(block, asking);
    const params = new URLSearchParams(this.params);
    params.set("skip", String(block * BLOCK_ROWS));
    params.set("size", String(this.size));
    params.set("limit", String(BLOCK_ROWS));
    try {
      const page = await this.api.json<EventsPage>("/v1/events", params, { signal: asking.signal });
      this.#keep(block, page.events);
      const known = block * BLOCK_ROWS + page.events.length;
      if (this.open) {
        this.open = page.next !== null;
        this.total = Math.max(this.total, known + (page.next ? BLOCK_ROWS : 0));
      }
      this.changed();
    } catch (error) {
      if (!asking.signal.aborted) this.changed(error);
    } finally {
      this.#asked.delete(block);
    }
  }

  #keep(block: number, events: AuditEvent[]): void {
    this.learn(events);
    this.#blocks.set(block, events);
    if (this.#blocks.size <= BLOCKS_MAX) return;
    // The farthest goes.
    const far = [...this.#blocks.keys()].reduce((one, other) => (Math.abs(other - block) > Math.abs(one - block) ? other : one));
    this.#blocks.delete(far);
  }
}
