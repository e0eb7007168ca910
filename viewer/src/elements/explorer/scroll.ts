/**
 * Scrolling through millions of rows: a browser draws no element higher than some ten million pixels, so beyond a bound the rows in
 * it are a window that moves. Short moves go row by row; who drags the bar far goes to the same part of the whole.
 */

/** Rows that an element holds at once. At 60 pixels a row this is below what every browser draws. */
export const WINDOW_ROWS = 200_000;

export class Window {
  /** The first row in the element. */
  first = 0;
  #total = 0;
  #offset = 0;
  #brought = false;

  constructor(private readonly rowsMax: number = WINDOW_ROWS) {}

  /** Rows in the element. */
  get rows(): number {
    return Math.min(this.#total, this.rowsMax);
  }

  /** There are so many rows now. */
  resize(total: number): void {
    this.#total = total;
    this.first = Math.max(0, Math.min(this.first, total - this.rows));
  }

  /** The rows to be drawn, from `first` to before `end`, where `seen` pixels are seen from `offset` on, and so many rows beyond them. */
  drawn(offset: number, seen: number, rowPx: number, beyond: number): { first: number; end: number } {
    const from = Math.floor(offset / rowPx) - beyond;
    const to = Math.ceil((offset + seen) / rowPx) + beyond;
    return { first: this.first + Math.max(0, Math.min(from, this.rows)), end: this.first + Math.max(0, Math.min(to, this.rows)) };
  }

  /**
   * The element was scrolled to `offset`; `seen` pixels are seen, a row has `rowPx`. Returns where to scroll to so that what is seen
   * stays, where the window moved under it; null where nothing is to be done but to draw.
   */
  scrolled(offset: number, seen: number, rowPx: number): number | null {
    const moved = Math.abs(offset - this.#offset);
    this.#offset = offset;
    const beyond = this.#total - this.rows;
    if (beyond <= 0 || this.#brought) {
      this.#brought = false;
      return null;
    }
    const height = this.rows * rowPx;
    if (moved > 3 * seen) {
      const part = Math.min(1, Math.max(0, offset / Math.max(1, height - seen)));
      this.first = Math.round(part * beyond);
      return null;
    }
    // At an edge of the window that is none of the whole, the window moves on by half.
    const half = Math.floor(this.rows / 2);
    let by = 0;
    if (offset < seen && this.first > 0) by = -Math.min(half, this.first);
    else if (offset > height - 2 * seen && this.first < beyond) by = Math.min(half, beyond - this.first);
    if (by === 0) return null;
    this.first += by;
    this.#offset = offset - by * rowPx;
    this.#brought = true;
    return this.#offset;
  }

  /** Puts a row into the element, in the middle if it was not there; returns its place in it. */
  bring(row: number): number {
    if (row < this.first || row >= this.first + this.rows) {
      this.first = Math.max(0, Math.min(row - Math.floor(this.rows / 2), this.#total - this.rows));
      this.#brought = true;
    }
    return row - this.first;
  }
}
