/**
 * When a page is told that its element needs another token: before the one at hand ends, and again while requests wait for one. Whoever is told
 * asks a backend each time, so it is told seldom: what the reader's clock says of a token's end is a hint, and a refusal alone is certain.
 */

/** Why a token is needed: there is none, the server takes it no more, or it ends soon. */
export type Reason = "missing" | "refused" | "expires";

/** A new token is asked for so long before the one at hand ends, ms. */
const EARLY_MS = 60_000;

/** A token that was just set is given at least so long, ms, whatever the reader's clock says. */
const GRACE_MS = 30_000;

/** First and longest time between two tellings while requests wait, ms; chance takes up to half off it. */
const AGAIN_MS = 10_000;
const AGAIN_MS_MAX = 120_000;

/** Longest wait that a timer of a browser takes, ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Timer = ReturnType<typeof setTimeout>;

/** Minds the token of one element; `tell` is what it says to the page. */
export class Renewal {
  #ending: Timer | undefined;
  #again: Timer | undefined;
  /** The token at hand, and whether its end was told of. */
  #token: string | null = null;
  #endTold = false;
  /** When the token at hand was set, ms. */
  #set = 0;
  /** Tellings in a row that brought no token that the server took, and when the last was, ms. */
  #told = 0;
  #toldAt = 0;

  constructor(
    private readonly tell: (reason: Reason) => void,
    /** Whether a request still waits for a token. */
    private readonly waits: () => boolean,
    private readonly random: () => number = Math.random,
  ) {}

  /** Another token was set, or the same with another end; `ends` is when it does, ms since 1970, as far as that is known. */
  given(token: string | null, ends: number | null): void {
    if (token !== this.#token) {
      this.#token = token;
      this.#set = Date.now();
      this.#endTold = false;
      clearTimeout(this.#again);
      this.#again = undefined;
    }
    clearTimeout(this.#ending);
    if (token === null || ends === null || Number.isNaN(ends) || this.#endTold) return;
    // One that has ended as it comes shows that the reader's clock is wrong: that it ended is then learnt from a refusal.
    if (ends <= this.#set) return;
    const least = Math.max(GRACE_MS, (ends - this.#set) / 2);
    const ms = Math.max(this.#set + least, ends - EARLY_MS) - Date.now();
    if (ms > TIMER_MS_MAX) return;
    this.#ending = setTimeout(() => {
      this.#endTold = true;
      this.tell("expires");
    }, Math.max(0, ms));
  }

  /** A request waits for a token. */
  need(reason: "missing" | "refused"): void {
    clearTimeout(this.#ending);
    if (this.#again !== undefined) return;
    if (this.#told === 0) this.#say(reason);
    else this.#again = setTimeout(() => this.#say(reason), Math.max(0, this.#toldAt + this.#pause() - Date.now()));
  }

  /** The server took the token at hand. */
  taken(): void {
    this.#told = 0;
  }

  /** Nothing more is told. */
  stop(): void {
    clearTimeout(this.#ending);
    clearTimeout(this.#again);
    this.#again = undefined;
  }

  #say(reason: "missing" | "refused"): void {
    this.#again = undefined;
    if (!this.waits()) return;
    this.#told += 1;
    this.#toldAt = Date.now();
    this.#again = setTimeout(() => this.#say(reason), this.#pause());
    this.tell(reason);
  }

  /** How long after the last telling the next one is. */
  #pause(): number {
    const most = Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** Math.max(0, this.#told - 1));
    return most / 2 + (most / 2) * this.random();
  }
}
