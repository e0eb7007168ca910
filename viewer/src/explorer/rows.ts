/**
 * The events that a question finds, by their place in the answer: whoever scrolls to the millionth asks for the block it stands in.
 * All blocks are as of the size of the first, so nothing moves while events arrive; only so many are kept.
 */

import type { Api } from "../api/client.js";
import type { AuditEvent, EventsPage } from "../api/types.js";

/** Events of a block, and blocks that are kept. */
export const BLOCK_ROWS = 100;
const BLOCKS_MAX = 60;

/** Places without an answer yet are asked for after so long a rest: whoever drags past them does not want them. */
const REST_MS = 60;

export class Rows {
  /** Events found, as far as is known. */
  total = 0;
  /** As of which size of the log. */
  size = 0;
  /** Not counted, or not yet: there may be more behind the last that is known. */
  open = false;
  #blocks = new Map<number, AuditEvent[]>();
  #asked = new Map<number, AbortController>();
  #resting: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    private readonly api: Api,
    private readonly params: URLSearchParams,
    /** Called when more is known; with the error where asking failed. */
    private readonly changed: (error?: unknown) => void,
    private readonly learn: (events: AuditEvent[]) => void,
  ) {}

  /** Asks for the first block. Throws what the API does. */
  static async ask(
    api: Api,
    params: URLSearchParams,
    signal: AbortSignal,
    changed: (error?: unknown) => void,
    learn: (events: AuditEvent[]) => void,
  ): Promise<Rows> {
    const rows = new Rows(api, params, changed, learn);
    const first = new URLSearchParams(params);
    first.set("limit", String(BLOCK_ROWS));
    first.set("partial", "true");
    const page = await api.json<EventsPage>("/v1/events", first, { signal });
    rows.size = page.size;
    rows.total = page.events.length + (page.next ? BLOCK_ROWS : 0);
    rows.open = page.next !== null;
    rows.#keep(0, page.events);
    return rows;
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

  /** Sees to it that these places are known soon; what was asked for and is wanted no more is given up. */
  want(first: number, last: number): void {
    clearTimeout(this.#resting);
    const from = Math.floor(Math.max(0, first) / BLOCK_ROWS);
    const to = Math.floor(Math.max(0, Math.min(last, this.total - 1)) / BLOCK_ROWS);
    for (const [block, asking] of this.#asked) {
      if (block < from || block > to) asking.abort();
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
