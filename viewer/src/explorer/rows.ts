/**
 * The events that a question finds, by their place in the answer: whoever scrolls to the millionth asks for the block it stands in.
 * All blocks are as of the size of the first, so nothing moves while events arrive; only so many are kept.
 */

import type { Api } from "../api/client.js";
import { type AuditEvent, type EventsPage, type Summary, occurredAt } from "../api/types.js";

/** Events of a block, and blocks that are kept. */
export const BLOCK_ROWS = 100;
const BLOCKS_MAX = 60;

/** Events of several tenants at one time among which one is looked for, and how many at once: as many as a batch may have. */
const TIED_MAX = 10_000;
const TIED_PAGE = 1_000;

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
  /** Ends the search for the place of an event. */
  readonly #placed = new AbortController();

  constructor(
    private readonly api: Api,
    private readonly params: URLSearchParams,
    first: EventsPage,
    /** Called when more is known; with the error where asking failed. */
    private readonly changed: (error?: unknown) => void,
    private readonly learn: (events: AuditEvent[]) => void,
    /** They are of all tenants. */
    private readonly overTenants = false,
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

  /**
   * The place of an event that may not be there yet; -1 where it is not among those found, null where that cannot be told.
   * Throws what the API does.
   */
  async placeOf(event: AuditEvent): Promise<number | null> {
    const known = this.indexOf(event.id, event.tenant ?? null);
    if (known >= 0) return known;
    const place = this.overTenants ? await this.#amongTied(event) : await this.#before(event);
    if (place === null || place < 0) return place;
    this.#placing = Math.floor(place / BLOCK_ROWS);
    await this.#fetch(this.#placing);
    return this.indexOf(event.id, event.tenant ?? null);
  }

  /** How many come before an event, among those of one tenant. */
  #before(event: AuditEvent): Promise<number> {
    const at = JSON.stringify(occurredAt(event));
    return this.#count(`(occurred_at ${this.#earlier} ${at} or (occurred_at eq ${at} and position ${this.#earlier} ${event.position}))`);
  }

  /** The place of an event of whichever tenant: what happened at one time stands in an order that no filter asks for, so it is looked through. */
  async #amongTied(event: AuditEvent): Promise<number | null> {
    const at = JSON.stringify(occurredAt(event));
    const [before, tied] = await Promise.all([this.#count(`occurred_at ${this.#earlier} ${at}`), this.#count(`occurred_at eq ${at}`)]);
    // Where they all stand in one block, that block tells.
    if (tied && Math.floor(before / BLOCK_ROWS) === Math.floor((before + tied - 1) / BLOCK_ROWS)) return before;
    for (let skip = 0; skip < Math.min(tied, TIED_MAX); skip += TIED_PAGE) {
      const { events } = await this.#page(before + skip, Math.min(TIED_PAGE, tied - skip), this.#placed.signal);
      const index = events.findIndex((one) => one.id === event.id && one.tenant === event.tenant);
      if (index >= 0) return before + skip + index;
    }
    return tied > TIED_MAX ? null : -1;
  }

  /** The operator by which a time or a position stands before another. */
  get #earlier(): string {
    return this.params.get("order") === "asc" ? "lt" : "gt";
  }

  /** How many of those found pass this filter, too. */
  async #count(filter: string): Promise<number> {
    const params = new URLSearchParams(this.params);
    params.delete("order");
    params.set("filter", [params.get("filter"), filter].filter(Boolean).join(" and "));
    params.set("size", String(this.size));
    return (await this.api.json<Summary>("/v1/summary", params, { signal: this.#placed.signal })).total;
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
    this.#placed.abort();
    for (const asking of this.#asked.values()) asking.abort();
  }

  /** Fetches a block that is seen. */
  async #load(block: number): Promise<void> {
    try {
      await this.#fetch(block);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) this.changed(error);
    }
  }

  async #fetch(block: number): Promise<void> {
    const asking = new AbortController();
    this.#asked.set(block, asking);
    try {
      const page = await this.#page(block * BLOCK_ROWS, BLOCK_ROWS, asking.signal);
      this.#keep(block, page.events);
      const known = block * BLOCK_ROWS + page.events.length;
      if (this.open) {
        this.open = page.next !== null;
        this.total = Math.max(this.total, known + (page.next ? BLOCK_ROWS : 0));
      }
      this.changed();
    } finally {
      if (this.#asked.get(block) === asking) this.#asked.delete(block);
    }
  }

  /** So many of those found, from a place on. */
  #page(skip: number, limit: number, signal: AbortSignal): Promise<EventsPage> {
    const params = new URLSearchParams(this.params);
    params.set("skip", String(skip));
    params.set("size", String(this.size));
    params.set("limit", String(limit));
    return this.api.json<EventsPage>("/v1/events", params, { signal });
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
