/** Events over time: stacked bars, of which a stretch can be chosen with a pointer or with the keyboard. */

import { LitElement, css, html, nothing, unsafeCSS } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import uPlot from "uplot";
import uplotStyle from "uplot/dist/uPlot.min.css";
import type { Json, Summary } from "../../api/types.js";
import { explorer, resultName } from "../../text/explorer.js";
import { base } from "../../theme.js";
import { SPLITS, type Split } from "../../view/fields.js";
import { fieldName } from "../../text/fields.js";
import { instant } from "../../view/time.js";
import { type Viewer, Watch } from "../../viewer.js";

/** A stretch of time that was chosen. */
export interface Zoom {
  since: string;
  until: string;
}

/** One layer of the stack. */
interface Layer {
  label: string;
  /** A colour of the theme. */
  colour: string;
  counts: number[];
}

/** What always has the same colour. */
const FIXED_COLOURS: Record<Split, Record<string, string>> = {
  "outcome.result": { success: "--bar-1", failure: "--bar-bad", denied: "--bar-warn", unknown: "--bar-5" },
  operation: {
    create: "--bar-6", read: "--bar-1", update: "--bar-2", delete: "--bar-bad", access: "--bar-3", authentication: "--bar-4", snapshot: "--bar-7", other: "--bar-8",
  },
};
const COLOURS = ["--bar-1", "--bar-2", "--bar-3", "--bar-4", "--bar-6", "--bar-7", "--bar-8", "--bar-5"];
const HEIGHT = 132;

/** `<annals-histogram .viewer .summary .span>`; fires `zoom` with a `Zoom`. */
@customElement("annals-histogram")
export class HistogramElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) summary: Summary | null = null;
  /** What the bars span, ms since 1970. */
  @property({ attribute: false }) span: { from: number; to: number } | null = null;
  @property({ type: Boolean }) busy = false;
  /** The bar that was pointed at or gone to. */
  @state() private at: number | null = null;
  protected readonly watch = new Watch(this);
  #plot: uPlot | null = null;
  #drawn: unknown[] = [];
  #sized: ResizeObserver | null = null;
  #dark = matchMedia("(prefers-color-scheme: dark)");

  static override styles = [
    base,
    css`${unsafeCSS(uplotStyle)}`,
    css`
      :host {
        --bar-1: var(--accent); --bar-2: light-dark(#0b8a8a, #4cc9c9); --bar-3: light-dark(#9c36b5, #d59be8); --bar-4: light-dark(#c2620c, #f0a55b);
        --bar-5: light-dark(#868e96, #8a929c); --bar-6: light-dark(#2b8a3e, #6fcf85); --bar-7: light-dark(#a61e4d, #f08bb0); --bar-8: light-dark(#5c5f66, #b8bcc4);
        --bar-bad: light-dark(#d6453a, #ff7d72); --bar-warn: light-dark(#c98a12, #f2bd5c);
        display: block; position: relative; min-width: 0;
      }
      .chart { height: ${HEIGHT}px; border-radius: var(--radius); }
      .chart.busy { opacity: 0.6; transition: opacity 0.2s 0.15s; }
      .foot { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; min-height: 24px; font-size: 12px; color: var(--text-2); }
      .key { display: inline-flex; align-items: center; gap: 5px; }
      .dot { width: 9px; height: 9px; border-radius: 2px; display: inline-block; }
      .told { margin-inline-start: auto; font-variant-numeric: tabular-nums; color: var(--text); }
      select { min-height: 24px; padding: 0 4px; font-size: 12px; border-color: var(--line); }
      .u-select { background: color-mix(in srgb, var(--accent) 22%, transparent); }
      .uplot { font-family: var(--font); }
      .u-over:hover { cursor: crosshair; }
    `,
  ];

  override render() {
    const t = explorer(this.viewer.language);
    const layers = this.#layers();
    return html`
      <div class="chart ${this.busy ? "busy" : ""}" tabindex="0" role="application" aria-label=${`${t.histogram}. ${t.histogramHelp}`} @keydown=${this.#key}></div>
      <div class="foot">
        <label>${t.stackedBy}
          <select .value=${this.viewer.view.split} @change=${(event: Event) => this.viewer.patch({ split: (event.target as HTMLSelectElement).value as Split }, true)}>
            ${SPLITS.filter((split) => !this.viewer.hides(split)).map((split) => html`<option value=${split} ?selected=${split === this.viewer.view.split}>${fieldName(split, this.viewer.language)}</option>`)}
          </select>
        </label>
        ${layers.map((layer) => html`<span class="key"><span class="dot" .style=${`background: var(${layer.colour})`}></span>${layer.label}</span>`)}
        <span class="told" aria-live="polite">${this.at === null ? nothing : this.#told(this.at, layers)}</span>
      </div>`;
  }

  #told(at: number, layers: Layer[]): string {
    const bucket = this.summary?.histogram?.buckets[at];
    if (!bucket) return "";
    const t = explorer(this.viewer.language);
    const parts = layers.map((layer) => [layer.label, layer.counts[at] ?? 0] as const).filter(([, count]) => count > 0);
    const time = instant(bucket.start, this.viewer.zone).slice(0, 16).replace(" 00:00", "");
    const split = parts.length > 1 ? ` (${parts.map(([label, count]) => `${label} ${count.toLocaleString(this.viewer.language)}`).join(", ")})` : "";
    return t.bar(time, bucket.count) + split;
  }

  /** The stack from the bottom up. */
  #layers(): Layer[] {
    const histogram = this.summary?.histogram;
    if (!histogram) return [];
    const t = explorer(this.viewer.language);
    const split = this.viewer.view.split;
    if (!histogram.series) {
      return [{ label: t.events, colour: "--bar-1", counts: histogram.buckets.map((bucket) => bucket.count) }];
    }
    const label = (value: Json) => (split === "outcome.result" ? resultName(String(value), this.viewer.language) : String(value));
    const layers: Layer[] = histogram.series.map((series, index) => ({
      label: label(series.value),
      colour: FIXED_COLOURS[split][String(series.value)] ?? (COLOURS[index % COLOURS.length] as string),
      counts: series.counts,
    }));
    if (histogram.other?.some((count) => count > 0)) layers.push({ label: t.others, colour: "--bar-8", counts: histogram.other });
    if (histogram.missing?.some((count) => count > 0)) layers.push({ label: t.noValue, colour: "--bar-5", counts: histogram.missing });
    return layers;
  }

  override firstUpdated(): void {
    this.#sized = new ResizeObserver(() => this.#plot?.setSize({ width: this.#chart.clientWidth, height: HEIGHT }));
    this.#sized.observe(this.#chart);
    this.#dark.addEventListener("change", this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#sized?.disconnect();
    this.#dark.removeEventListener("change", this.#redraw);
    this.#plot?.destroy();
    this.#plot = null;
    this.#drawn = [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.firstUpdated();
  }

  get #chart(): HTMLElement {
    return this.renderRoot.querySelector(".chart") as HTMLElement;
  }

  readonly #redraw = () => {
    this.#drawn = [];
    this.requestUpdate();
  };

  override updated(): void {
    // Asking for the scheme has the browser lay out all that changed: not before there is something to draw.
    const scheme = this.summary && getComputedStyle(this).colorScheme;
    const what = [this.summary, this.span, this.viewer.zone, this.viewer.language, scheme];
    if (what.every((part, index) => part === this.#drawn[index])) return;
    this.#drawn = what;
    this.#plot?.destroy();
    this.#plot = this.summary?.histogram && this.span ? this.#draw(this.#layers(), this.span) : null;
    this.at = null;
  }

  #draw(layers: Layer[], span: { from: number; to: number }): uPlot {
    const starts = (this.summary?.histogram?.buckets ?? []).map((bucket) => Date.parse(bucket.start) / 1000);
    // The tallest is drawn first and the others over it, so each layer's top is the sum of all below.
    const sums = starts.map(() => 0);
    const tops = layers.map((layer) => starts.map((_, index) => (sums[index] = (sums[index] ?? 0) + (layer.counts[index] ?? 0))));
    const drawn = layers.map((layer, index) => ({ layer, top: tops[index] as number[] })).reverse();
    const colour = (name: string) => this.#colour(name);
    const axis = { stroke: colour("--text-2"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const last = starts.length > 1 ? (starts.at(-1) as number) + ((starts[1] as number) - (starts[0] as number)) : span.to / 1000;
    const from = Math.min(starts[0] ?? span.from / 1000, span.from / 1000);
    const plot = new uPlot(
      {
        width: this.#chart.clientWidth || 600,
        height: HEIGHT,
        legend: { show: false },
        padding: [6, 20, 0, 0],
        cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
        tzDate: (seconds) => (this.viewer.zone === "utc" ? uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC") : new Date(seconds * 1e3)),
        scales: { x: { time: true, range: () => [from, Math.max(last, from + 60)] }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.06)] } },
        axes: [
          { ...axis, size: 24, space: 84, grid: { show: false }, values: (_, ticks, __, ___, step) => ticks.map((tick) => this.#tick(tick, step)) },
          { ...axis, size: 46, space: 36, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? short(tick, this.viewer.language) : "")) },
        ],
        series: [
          {},
          ...drawn.map(({ layer }) => ({
            label: layer.label,
            fill: colour(layer.colour),
            width: 0,
            points: { show: false },
            paths: (uPlot.paths.bars as NonNullable<typeof uPlot.paths.bars>)({ align: 1, size: [1, 60], gap: 1 }),
          })),
        ],
        hooks: {
          setCursor: [(plot) => this.#point(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? this.#barAt(starts, plot.posToVal(plot.cursor.left, "x")) : null)],
          setSelect: [
            (plot) => {
              if (plot.select.width < 4) return;
              const since = plot.posToVal(plot.select.left, "x");
              const until = plot.posToVal(plot.select.left + plot.select.width, "x");
              plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              this.#zoom(since * 1000, until * 1000);
            },
          ],
        },
      },
      [starts, ...drawn.map(({ top }) => top)],
      this.#chart,
    );
    plot.over.addEventListener("dblclick", () => this.dispatchEvent(new CustomEvent("zoom-out")));
    plot.over.addEventListener("click", () => {
      if (this.at !== null && !plot.select.width) this.#zoomTo(this.at);
    });
    return plot;
  }

  /** A moment of the axis in as few words as the distance to the next allows. */
  #tick(seconds: number, step: number): string {
    const timeZone = this.viewer.zone === "utc" ? "UTC" : undefined;
    const parts: Intl.DateTimeFormatOptions =
      step < 86_400 ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : step < 28 * 86_400 ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
    const at = new Date(seconds * 1000);
    const midnight = step < 86_400 && instant(at.toISOString(), this.viewer.zone).endsWith("00:00:00");
    return at.toLocaleString(this.viewer.language, midnight ? { day: "numeric", month: "short", timeZone } : { ...parts, timeZone });
  }

  #barAt(starts: number[], seconds: number): number | null {
    let at = -1;
    while (at + 1 < starts.length && (starts[at + 1] as number) <= seconds) at += 1;
    return at < 0 ? null : at;
  }

  #point(at: number | null): void {
    this.at = at;
  }

  #zoomTo(at: number): void {
    const buckets = this.summary?.histogram?.buckets ?? [];
    const [start, next] = [buckets[at]?.start, buckets[at + 1]?.start];
    if (!start || buckets.length < 2) return;
    this.#zoom(Date.parse(start), next ? Date.parse(next) : (this.span?.to ?? Date.now()));
  }

  #zoom(from: number, to: number): void {
    const detail: Zoom = { since: new Date(Math.round(from)).toISOString(), until: new Date(Math.round(Math.max(to, from + 1000))).toISOString() };
    this.dispatchEvent(new CustomEvent("zoom", { detail }));
  }

  #key = (event: KeyboardEvent) => {
    const bars = this.summary?.histogram?.buckets.length ?? 0;
    if (!bars) return;
    const at = this.at ?? (event.key === "ArrowLeft" ? bars : -1);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars - 1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      this.#point(Math.max(0, Math.min(bars - 1, next)));
      const plot = this.#plot;
      const start = Date.parse(this.summary?.histogram?.buckets[this.at as number]?.start ?? "") / 1000;
      if (plot) plot.setCursor({ left: plot.valToPos(start, "x") + 1, top: 10 }, false);
    } else if (event.key === "Enter" && this.at !== null) {
      this.#zoomTo(this.at);
    } else if (event.key === "Backspace") {
      this.dispatchEvent(new CustomEvent("zoom-out"));
    }
  };

  /** What a colour of the theme comes to here: a canvas knows no variables. */
  #colour(name: string): string {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    this.renderRoot.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  }
}

/** A count in a few characters. */
function short(count: number, language: string): string {
  return new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 }).format(count);
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-histogram": HistogramElement;
  }
}
