/** Events by day, as small bars. */

import { LitElement, css, html, nothing, svg } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Summary } from "../../api/types.js";
import { pagesText } from "../../text/pages.js";
import { base } from "../../theme.js";
import { instant } from "../../view/time.js";
import { type Viewer, Watch } from "../../viewer.js";

const HEIGHT = 56;
const BAR = 8;

/** `<annals-days .viewer .summary>`: the summary has a histogram with an interval of a day. */
@customElement("annals-days")
export class DaysElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) summary: Summary | null = null;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      :host { display: block; }
      svg { display: block; width: 100%; height: ${HEIGHT}px; }
      rect { fill: var(--accent); }
      rect.none { fill: var(--line); }
      g:hover rect.hit { fill: var(--ground-3); }
      rect.hit { fill: transparent; }
      .ends { display: flex; justify-content: space-between; font-size: 12px; color: var(--text-2); font-variant-numeric: tabular-nums; margin-top: 4px; }
    `,
  ];

  override render() {
    const t = pagesText(this.viewer.language);
    const buckets = this.summary?.histogram?.buckets ?? [];
    const most = buckets.reduce((most, bucket) => (bucket.count > most.count ? bucket : most), { start: "", count: 0 });
    const day = (start: string) => instant(start, this.viewer.zone).slice(0, 10);
    const bars = buckets.map(({ start, count }, index) => {
      const height = count === 0 ? 1 : Math.max(2, (count / most.count) * HEIGHT);
      return svg`<g><title>${t.dayBar(day(start), count)}</title><rect class="hit" x=${index * BAR} width=${BAR} y="0" height=${HEIGHT}></rect>
        <rect class=${count ? "" : "none"} x=${index * BAR + 1} width=${BAR - 2} y=${HEIGHT - height} height=${height}></rect></g>`;
    });
    return html`<svg viewBox=${`0 0 ${Math.max(1, buckets.length) * BAR} ${HEIGHT}`} preserveAspectRatio="none" role="img"
        aria-label=${this.summary ? t.daysLabel(this.summary.total, most.count, day(most.start)) : nothing}>${bars}</svg>
      <div class="ends" aria-hidden="true"><span>${day(buckets[0]?.start ?? "")}</span><span>${day(buckets.at(-1)?.start ?? "")}</span></div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-days": DaysElement;
  }
}
