/** The conditions of the view, each one to be turned round or taken away. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { icons } from "../../icons.js";
import { explorer, resultName } from "../../text/explorer.js";
import { fieldName } from "../../text/fields.js";
import { base } from "../../theme.js";
import { type Term, withTerm, withoutTerm } from "../../view/view.js";
import { type Viewer, Watch } from "../../viewer.js";

/** `<annals-chips .viewer>`; nothing where the view has no conditions. */
@customElement("annals-chips")
export class ChipsElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      ul { display: flex; flex-wrap: wrap; gap: 6px; margin: 0; padding: 0; list-style: none; }
      li { display: inline-flex; max-width: 100%; border: 1px solid var(--line); border-radius: 99px; background: var(--ground-2); overflow: hidden; }
      li.not { border-color: var(--bad); background: var(--bad-ground); }
      li button { border: 0; border-radius: 0; background: none; min-height: 26px; font-size: 13px; }
      .text { padding: 2px 4px 2px 11px; min-width: 0; gap: 5px; }
      .text .cut { max-width: 34ch; }
      .away { padding: 0 8px 0 4px; min-width: 26px; }
      li.all { border-color: transparent; background: none; }
      .clear { min-height: 28px; font-size: 13px; }
    `,
  ];

  override render() {
    const { view, language } = this.viewer;
    const t = explorer(language);
    if (!view.terms.length && !view.q && !view.filter) return nothing;
    return html`<ul aria-label=${t.filters}>
      ${view.terms.map((term) => this.#term(term))}
      ${view.q ? this.#chip("", t.wordsChip, view.q, () => this.viewer.patch({ q: "" })) : nothing}
      ${view.filter ? this.#chip("", t.filterChip, view.filter, () => this.viewer.patch({ filter: "" })) : nothing}
      <li class="all"><button class="plain clear" @click=${() => this.viewer.patch({ terms: [], q: "", filter: "" })}>${t.clearAll}</button></li>
    </ul>`;
  }

  #term(term: Term) {
    const { view, language } = this.viewer;
    const t = explorer(language);
    const text = {
      is: term.value === undefined ? "" : this.#label(term),
      not: `${t.isNot} ${this.#label(term)}`,
      present: t.present,
      absent: t.absent,
    }[term.kind];
    const opposite = { ...term, kind: { is: "not", not: "is", present: "absent", absent: "present" }[term.kind] } as Term;
    const away = () => this.viewer.patch({ terms: withoutTerm(view.terms, term) });
    const turn = () => this.viewer.patch({ terms: withTerm(withoutTerm(view.terms, term), opposite) });
    return this.#chip(term.kind === "not" || term.kind === "absent" ? "not" : "", fieldName(term.path, language), text, away, turn);
  }

  #label(term: Term): string {
    const value = term.value ?? "";
    if (term.path === "outcome.result") return resultName(String(value), this.viewer.language);
    return this.viewer.nameOf(term.path, value) ?? (value === "" ? "“”" : String(value));
  }

  #chip(kind: string, name: string, text: string, away: () => void, turn?: () => void) {
    const t = explorer(this.viewer.language);
    return html`<li class=${kind}>
      ${turn
        ? html`<button class="text" title=${t.turn(`${name} ${text}`)} @click=${turn}><span class="quiet">${name}</span> <span class="cut" dir="auto">${text}</span></button>`
        : html`<button class="text" @click=${() => this.dispatchEvent(new CustomEvent("edit", { detail: text, bubbles: true, composed: true }))}><span class="quiet">${name}</span> <span class="cut" dir="auto">${text}</span></button>`}
      <button class="away" aria-label=${t.remove(`${name} ${text}`)} @click=${away}>${icons.close}</button>
    </li>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-chips": ChipsElement;
  }
}
