/** Follows what comes: the server's live feed, read so that nothing is skipped and nothing comes twice. */

import { type Api, ApiError } from "./api/client.js";
import type { AuditEvent, EventsPage } from "./api/types.js";
import { type Message, SseParser, StreamError } from "./live/sse.js";
import { type View, question } from "./view/view.js";

export type TailState =
  | { name: "off" }
  | { name: "connecting" }
  | { name: "live" }
  /** So many events wait; `more` when there was no room for those behind them, which are asked for again. */
  | { name: "paused"; waiting: number; more: boolean }
  | { name: "reconnecting"; seconds: number; error: ApiError | null }
  /** Asking again would change nothing, until `resume` says otherwise. */
  | { name: "ended"; error: ApiError };

/** Events that wait while the tail is paused; then the connection is let go, and taken up again by id. */
export const WAITING_MAX = 1_000;

/** How long things take, ms. */
export const TIMING = {
  /** Without a sign of life; the server sends one every 15 s. */
  silence: 40_000,
  /** Hidden pages let the connection go after it. */
  hidden: 300_000,
  backoffMin: 1_000,
  backoffMax: 30_000,
};

/** Fires `events` (a `CustomEvent` with the events, oldest first) and `state`. */
export class LiveTail extends EventTarget {
  state: TailState = { name: "off" };
  #params = new URLSearchParams();
  #from: number | null = null;
  #lastId: string | null = null;
  #waiting: AuditEvent[] = [];
  #paused = false;
  #hidden = false;
  #hiding: ReturnType<typeof setTimeout> | undefined;
  /** The loop that keeps the connection; another one takes its place at each start. */
  #loop: AbortController | null = null;
  #connection: AbortController | null = null;
  #wake: () => void = () => {};

  constructor(
    private readonly api: Api,
    private readonly timing: typeof TIMING = TIMING,
  ) {
    super();
  }

  /** Whether a view can be followed: the access log is in no feed. */
  static follows(view: View): boolean {
    return view.page !== "access";
  }

  /**
   * Follows the conditions of a view, whatever its time. Begins with the record after the first `size` ones, so that what came since
   * a page was answered is not missed; with what comes next where that is not said.
   */
  start(view: View, size: number | null = null): void {
    this.stop();
    this.#params = question(view);
    for (const name of ["since", "until", "log"]) this.#params.delete(name);
    this.#from = size;
    this.#lastId = null;
    this.#paused = false;
    this.#run();
    globalThis.document?.addEventListener("visibilitychange", this.#seen);
    globalThis.addEventListener?.("online", this.#online);
  }

  stop(): void {
    this.#loop?.abort();
    this.#loop = null;
    this.#connection?.abort();
    this.#wake();
    this.#waiting = [];
    clearTimeout(this.#hiding);
    this.#hidden = false;
    globalThis.document?.removeEventListener("visibilitychange", this.#seen);
    globalThis.removeEventListener?.("online", this.#online);
    this.#say({ name: "off" });
  }

  /** Holds back what comes. */
  pause(): void {
    if (this.#paused || !this.#loop) return;
    this.#paused = true;
    this.#sayPaused();
  }

  /** Gives what was held back and goes on behind it; after an end or a break, tries again at once from where it was. */
  resume(): void {
    if (this.state.name === "reconnecting") return this.#wake();
    if (this.state.name === "ended") {
      this.#paused = false;
      return this.#run();
    }
    if (!this.#paused) return;
    this.#paused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#say({ name: this.#connection ? "live" : "connecting" });
    this.#give(waiting);
    this.#wake();
  }

  #run(): void {
    this.#loop?.abort();
    this.#loop = new AbortController();
    void this.#keep(this.#loop.signal);
  }

  /** Connects again and again until told to stop, or until the server says no. */
  async #keep(stopped: AbortSignal): Promise<void> {
    let failures = 0;
    while (!stopped.aborted) {
      if (!this.#wanted) {
        await this.#sleep(null);
        continue;
      }
      let error: ApiError | null = null;
      let retryMs: number | null = null;
      try {
        if (!this.#paused) this.#say({ name: "connecting" });
        retryMs = await this.#follow(stopped, () => (failures = 0));
      } catch (thrown) {
        error = thrown instanceof ApiError ? thrown : null;
        if (stopped.aborted) return;
        if (thrown instanceof StreamError) error = new ApiError(0, { code: "malformed_stream", detail: thrown.message }, null);
        if (error && isFinal(error)) return this.#end(error);
      }
      if (stopped.aborted) return;
      if (!this.#wanted) continue;
      const ms = backoff(failures++, this.timing, Math.max(retryMs ?? 0, (error?.retryAfter ?? 0) * 1000));
      if (!this.#paused) this.#say({ name: "reconnecting", seconds: Math.ceil(ms / 1000), error });
      await this.#sleep(ms);
    }
  }

  #end(error: ApiError): void {
    this.#loop = null;
    this.#give(this.#waiting);
    this.#waiting = [];
    this.#say({ name: "ended", error });
  }

  /** One connection, from the question to its end. Gives what the server would have a client wait before the next one. */
  async #follow(stopped: AbortSignal, alive: () => void): Promise<number | null> {
    const connection = new AbortController();
    const end = () => connection.abort();
    let watchdog = setTimeout(end, this.timing.silence);
    stopped.addEventListener("abort", end);
    const parser = new SseParser();
    try {
      const answer = await this.#ask(connection.signal);
      this.#connection = connection;
      if (!this.#paused) this.#say({ name: "live" });
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || connection.signal.aborted) break;
        clearTimeout(watchdog);
        watchdog = setTimeout(end, this.timing.silence);
        alive();
        this.#take(parser.push(value));
      }
    } catch (error) {
      // A connection that was let go, or that broke on the way, is taken up again.
      if (error instanceof ApiError || error instanceof StreamError) throw error;
    } finally {
      clearTimeout(watchdog);
      stopped.removeEventListener("abort", end);
      connection.abort();
      if (this.#connection === connection) this.#connection = null;
    }
    return parser.retryMs;
  }

  async #ask(signal: AbortSignal): Promise<Response> {
    const params = new URLSearchParams(this.#params);
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (this.#lastId !== null) headers["last-event-id"] = this.#lastId;
    else params.set("from", String((this.#from ??= await this.#size(signal))));
    const answer = await this.api.fetch("/v1/feed/live", params, { signal, headers });
    if (!answer.body || !answer.headers.get("content-type")?.startsWith("text/event-stream")) {
      throw new StreamError("the answer is no stream of events");
    }
    return answer;
  }

  /** How many records there are: where to begin, also if the first connection breaks before anything came. */
  async #size(signal: AbortSignal): Promise<number> {
    const tenant = this.#params.get("tenant");
    return (await this.api.json<EventsPage>("/v1/events", { limit: 1, tenant }, { signal })).size;
  }

  #take(messages: Message[]): void {
    const events: AuditEvent[] = [];
    for (const { id, data } of messages) {
      if (this.#paused && this.#waiting.length + events.length >= WAITING_MAX) {
        // What follows is asked for again by id.
        this.#connection?.abort();
        break;
      }
      if (id !== null && this.#lastId !== null && Number(id) <= Number(this.#lastId)) continue;
      if (id !== null) this.#lastId = id;
      if (data !== null) events.push(parsed(data));
    }
    if (!this.#paused) return this.#give(events);
    this.#waiting.push(...events);
    if (this.#waiting.length >= WAITING_MAX) this.#connection?.abort();
    if (events.length) this.#sayPaused();
  }

  #give(events: AuditEvent[]): void {
    if (events.length) this.dispatchEvent(new CustomEvent("events", { detail: events }));
  }

  /** Whether there should be a connection. */
  get #wanted(): boolean {
    return !this.#hidden && !(this.#paused && this.#waiting.length >= WAITING_MAX);
  }

  /** Waits for so long, or until something changes that makes another try worth it. */
  #sleep(ms: number | null): Promise<void> {
    return new Promise((done) => {
      const timer = ms === null ? undefined : setTimeout(() => this.#wake(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        done();
      };
    });
  }

  readonly #seen = () => {
    clearTimeout(this.#hiding);
    if (document.hidden) {
      this.#hiding = setTimeout(() => {
        this.#hidden = true;
        this.#connection?.abort();
      }, this.timing.hidden);
    } else {
      this.#hidden = false;
      this.#wake();
    }
  };

  readonly #online = () => this.#wake();

  #sayPaused(): void {
    this.#say({ name: "paused", waiting: this.#waiting.length, more: this.#waiting.length >= WAITING_MAX });
  }

  #say(state: TailState): void {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

/** Whether asking again would give the same. */
function isFinal(error: ApiError): boolean {
  const passing = error.status === 0 && error.code === "unreachable";
  return !passing && ![408, 425, 429, 502, 503, 504].includes(error.status) && error.code !== "bug";
}

/** How long to wait, ms: longer after each failure, never the same for all who wait, never less than the server asks for. */
export function backoff(failures: number, { backoffMin, backoffMax }: typeof TIMING, askedMs: number, random = Math.random()): number {
  const most = Math.min(backoffMax, backoffMin * 2 ** failures);
  return Math.max(askedMs, most / 2) + (most / 2) * random;
}

function parsed(data: string): AuditEvent {
  try {
    return JSON.parse(data) as AuditEvent;
  } catch {
    throw new StreamError("an event of the stream is not JSON");
  }
}
