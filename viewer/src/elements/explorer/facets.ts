/** What the events found have in common: the commonest values of a few fields, with counts. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Json } from "../../api/types.js";
import type { Facet } from "../../explorer/finder.js";
import { explorer, resultName } from "../../text/explorer.js";
import { fieldName } from "../../text/fields.js";
import { icons } from "../../icons.js";
import { base } from "../../theme.js";
import { FACETS } from "../../view/fields.js";
import { type Term, withTerm, withoutTerm } from "../../view/view.js";
import { type Viewer, Watch } from "../../viewer.js";

/** `<annals-facets .viewer .counts>`: a click on a value keeps only it, another takes it away again. */
@customElement("annals-facets")
export class FacetsElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) counts: Record<string, Facet> = {};
  /** Tells that names of values may be known now. */
  @property({ attribute: false }) version = 0;
  @property({ type: Boolean }) busy = false;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      :host { display: block; overflow: auto; font-size: 13px; padding: 2px 4px 16px 0; scrollbar-gutter: stable; }
      details { border-top: 1px solid var(--line); }
      details:first-of-type { border-top: 0; }
      summary { display: flex; align-items: baseline; gap: 6px; padding: 7px 6px; cursor: pointer; list-style: none; border-radius: 4px; }
      summary::-webkit-details-marker { display: none; }
      summary:hover { background: var(--ground-2); }
      summary h2 { font-size: 12px; color: var(--text-2); letter-spacing: 0.01em; }
      summary .quiet { margin-inline-start: auto; font-size: 11px; }
      ul { list-style: none; margin: 0 0 8px; padding: 0; }
      li { display: flex; align-items: center; border-radius: 4px; position: relative; }
      li:hover, li:focus-within { background: var(--ground-2); }
      li button { border: 0; background: none; min-height: 26px; }
      .pick { flex: 1; min-width: 0; display: flex; gap: 6px; padding: 2px 6px; }
      .pick[aria-pressed="true"] { background: var(--accent-ground); font-weight: 600; }
      .pick.not { text-decoration: line-through; }
      .count { margin-inline-start: auto; color: var(--text-2); font-variant-numeric: tabular-nums; font-weight: 400; }
      .minus { position: absolute; inset-inline-end: 0; min-width: 26px; padding: 0; opacity: 0; background: var(--ground-3) !important; }
      li:hover .minus, .minus:focus-visible { opacity: 1; }
      .bar { position: absolute; inset-inline-start: 6px; bottom: 0; height: 2px; border-radius: 1px; background: color-mix(in srgb, var(--accent) 45%, transparent); pointer-events: none; }
      .much { padding: 2px 6px; font-style: italic; }
      .busy { opacity: 0.6; transition: opacity 0.2s 0.15s; }
      .skeleton { height: 14px; margin: 7px 6px; border-radius: 4px; background: var(--ground-3); }
      @media (pointer: coarse) { .minus { opacity: 1; position: static; } }
    `,
  ];

  override render() {
    return html`<div class=${this.busy ? "busy" : ""}>${FACETS.filter((path) => !this.viewer.hides(path)).map((path) => this.#facet(path))}</div>`;
  }

  #facet(path: string) {
    const t = explorer(this.viewer.language);
    const facet = this.counts[path];
    const counts = facet === "too many" ? { values: [], distinct: 0, missing: 0 } : facet;
    const most = counts?.values[0]?.count ?? 1;
    return html`<details open>
      <summary><h2>${fieldName(path, this.viewer.language)}</h2>
        ${counts && counts.distinct > counts.values.length ? html`<span class="quiet">${t.distinct(counts.distinct)}</span>` : nothing}</summary>
      <ul>
        ${counts
          ? counts.values.map((one) => this.#value(path, one.value, one.count, most))
          : [70, 55, 40].map((width) => html`<li><div class="skeleton" .style=${`width: ${width}%`}></div></li>`)}
        ${facet === "too many" ? html`<li class="quiet much">${t.tooMany}</li>` : nothing}
        ${counts && counts.missing > 0 ? this.#missing(path, counts.missing) : nothing}
      </ul>
    </details>`;
  }

  #value(path: string, value: Json, count: number, most: number) {
    if (value === null || typeof value === "object") return nothing;
    const t = explorer(this.viewer.language);
    const terms = this.viewer.view.terms;
    const is: Term = { kind: "is", path, value };
    const not: Term = { kind: "not", path, value };
    const chosen = terms.some((term) => term.path === path && term.kind === "is" && String(term.value) === String(value));
    const barred = terms.some((term) => term.path === path && term.kind === "not" && String(term.value) === String(value));
    const label = this.viewer.nameOf(path, value) ?? (path === "outcome.result" ? resultName(String(value), this.viewer.language) : String(value));
    return html`<li>
      <button class="pick ${barred ? "not" : ""}" aria-pressed=${chosen} title=${String(value)} @click=${() => this.#toggle(is, chosen)}>
        <span class="cut" dir="auto">${label || "“”"}</span><span class="count">${count.toLocaleString(this.viewer.language)}</span></button>
      <button class="minus icon" aria-label=${`${t.without(fieldName(path, this.viewer.language))} ${label}`} aria-pressed=${barred} @click=${() => this.#toggle(not, barred)}>${icons.minus}</button>
      <span class="bar" .style=${`width: calc(${Math.max(0.5, (count / most) * 100).toFixed(1)}% - 12px)`}></span>
    </li>`;
  }

  #missing(path: string, count: number) {
    const term: Term = { kind: "absent", path };
    const chosen = this.viewer.view.terms.some((one) => one.kind === "absent" && one.path === path);
    return html`<li><button class="pick quiet" aria-pressed=${chosen} @click=${() => this.#toggle(term, chosen)}>
      <em class="cut">${explorer(this.viewer.language).missing}</em><span class="count">${count.toLocaleString(this.viewer.language)}</span></button></li>`;
  }

  #toggle(term: Term, there: boolean): void {
    const { terms } = this.viewer.view;
    const known = terms.find((one) => one.kind === term.kind && one.path === term.path && String(one.value) === String(term.value)) ?? term;
    this.viewer.patch({ terms: there ? withoutTerm(terms, known) : withTerm(terms, term), event: null });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-facets": FacetsElement;
  }
}
