/** Which stretch of time is looked at, and by whose clock. */

import { LitElement, css, html } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { icons } from "../../icons.js";
import { explorer, lengthName } from "../../text/explorer.js";
import { base } from "../../theme.js";
import { ALL_TIME, PRESETS, type Range, type Zone, bounds, fromField, instant, offsetName, sameRange, toField } from "../../view/time.js";
import { type Viewer, Watch } from "../../viewer.js";

/** `<annals-time-range .viewer>`: a button with the range, and what can be chosen behind it. */
@customElement("annals-time-range")
export class TimeRangeElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @state() private open = false;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      :host { display: inline-flex; }
      .shown { white-space: nowrap; }
      [popover] {
        position: fixed; inset: auto; margin: 0; padding: 12px; width: min(340px, 96vw); max-height: 92vh; overflow: auto; border: 1px solid var(--line); border-radius: var(--radius);
        background: var(--ground); color: var(--text); box-shadow: var(--shadow); font: 14px/1.4 var(--font);
      }
      .presets { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
      .presets button { justify-content: center; }
      form { display: grid; gap: 8px; margin-top: 12px; padding-top: 12px; border-top: 1px solid var(--line); }
      form button { justify-content: center; }
      label { display: grid; gap: 2px; font-size: 12px; color: var(--text-2); }
      label input { font-size: 14px; color: var(--text); width: 100%; }
      .zone { display: flex; gap: 4px; align-items: center; font-size: 12px; color: var(--text-2); margin-top: 12px; padding-top: 12px; border-top: 1px solid var(--line); }
      .zone span { margin-inline-end: auto; }
    `,
  ];

  override render() {
    const { view, zone, language } = this.viewer;
    const t = explorer(language);
    const { since, until } = bounds(view.range);
    return html`
      <button class="shown" aria-haspopup="dialog" aria-expanded=${this.open} aria-label=${`${t.timeRange}: ${this.#text()}`} @click=${this.#toggle}>${icons.clock}<span>${this.#text()}</span></button>
      <div popover role="dialog" aria-label=${t.timeRange} @toggle=${(event: ToggleEvent) => (this.open = event.newState === "open")} @keydown=${this.#key}>
        <div class="presets">
          ${PRESETS.map((last) => this.#preset({ last }, t.last(lengthName(last, language))))}
          ${this.#preset(ALL_TIME, t.allTime)}
        </div>
        <form @submit=${this.#apply}>
          <label>${t.from}<input type="datetime-local" name="since" step="1" .value=${toField(since, zone)} /></label>
          <label>${t.to}<input type="datetime-local" name="until" step="1" .value=${toField(until, zone)} /></label>
          <button class="primary">${t.apply}</button>
        </form>
        <div class="zone" role="group" aria-label=${t.zone}><span>${t.zone}: ${offsetName(zone)}</span>${this.#zone("local", t.localTime)}${this.#zone("utc", t.utc)}</div>
      </div>`;
  }

  #text(): string {
    const { view, zone, language } = this.viewer;
    const t = explorer(language);
    if ("last" in view.range) return t.last(lengthName(view.range.last, language));
    const { since, until } = view.range;
    if (!since && !until) return t.allTime;
    const short = (text: string | null) => (text ? instant(text, zone).slice(0, 16).replace(" 00:00", "") : "…");
    return `${short(since)} – ${short(until)}`;
  }

  #preset(range: Range, label: string) {
    return html`<button aria-pressed=${sameRange(range, this.viewer.view.range)} @click=${() => this.#choose(range)}>${label}</button>`;
  }

  #zone(zone: Zone, label: string) {
    return html`<button aria-pressed=${this.viewer.zone === zone} @click=${() => (this.viewer.zone = zone)}>${label}</button>`;
  }

  get #popover(): HTMLElement {
    return this.renderRoot.querySelector("[popover]") as HTMLElement;
  }

  #toggle = () => {
    if (this.open) return this.#popover.hidePopover();
    this.#popover.showPopover();
    const at = this.getBoundingClientRect();
    this.#popover.style.left = `${Math.max(4, Math.min(at.left, innerWidth - this.#popover.offsetWidth - 4))}px`;
    this.#popover.style.top = `${at.bottom + 4}px`;
    this.#popover.querySelector<HTMLElement>("[aria-pressed=true], button")?.focus();
  };

  #choose(range: Range): void {
    this.#popover.hidePopover();
    this.viewer.patch({ range, live: this.viewer.view.live && "last" in range });
  }

  #apply = (event: SubmitEvent) => {
    event.preventDefault();
    const fields = new FormData(event.target as HTMLFormElement);
    const [since, until] = ["since", "until"].map((name) => fromField(String(fields.get(name) ?? ""), this.viewer.zone)) as [string | null, string | null];
    if (since && until && since >= until) return this.#choose({ since: until, until: since });
    this.#choose({ since, until });
  };

  #key = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.key !== "Escape") return;
    this.#popover.hidePopover();
    this.renderRoot.querySelector<HTMLElement>(".shown")?.focus();
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-time-range": TimeRangeElement;
  }
}
