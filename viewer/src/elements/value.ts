/** A value of an event: what is shown, and a menu of what it can be used for. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { common } from "../text/common.js";
import { base } from "../theme.js";
import { ALL_TIME } from "../view/time.js";
import { type Scalar, type Term, withTerm } from "../view/view.js";
import type { Viewer } from "../viewer.js";

/**
 * `<annals-value .viewer .path="actor.id" .value="u1">Ana</annals-value>`: a button that opens a menu to filter by the value, leave
 * it out, copy it, or go to the page of the actor or target it names.
 */
@customElement("annals-value")
export class ValueElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property() path = "";
  @property({ attribute: false }) value: Scalar = "";
  /** The target's type, for the link to its page. */
  @property({ attribute: false }) type: string | null = null;
  /** What is shown; the value itself when left out. */
  @property() label = "";
  /** Whether the Tab key comes by: not in rows of a table, through which nobody could tab. */
  @property({ attribute: false }) reachable = true;
  @state() private open = false;

  static override styles = [
    base,
    css`
      :host { position: relative; display: inline-flex; min-width: 0; max-width: 100%; margin-inline-start: -3px; }
      .value {
        display: inline-block; min-height: 0; max-width: 100%; padding: 0 3px; border: 0; border-radius: 4px; background: none;
        overflow: hidden; text-overflow: ellipsis; white-space: inherit; overflow-wrap: anywhere; font: inherit; color: inherit;
      }
      .value:hover { background: var(--ground-3); }
      [popover] {
        position: fixed; inset: auto; margin: 0; padding: 4px; min-width: 190px; max-width: min(340px, 92vw); border: 1px solid var(--line);
        border-radius: var(--radius); background: var(--ground); color: var(--text); box-shadow: var(--shadow); font: 14px/1.4 var(--font);
      }
      [popover] button { width: 100%; border: 0; background: none; }
      [popover] button:hover, [popover] button:focus-visible { background: var(--ground-3); }
      .what { padding: 4px 10px 6px; overflow-wrap: anywhere; max-height: 6.5em; overflow: auto; }
    `,
  ];

  override render() {
    return html`<button class="value" part="value" dir="auto" tabindex=${this.reachable ? 0 : -1} aria-haspopup="menu" aria-expanded=${this.open} @click=${this.#toggle}>${this.label || String(this.value)}</button>
      ${this.open ? this.#menu() : nothing}`;
  }

  #menu() {
    const t = common(this.viewer.language);
    return html`<div popover role="menu" @toggle=${this.#toggled} @keydown=${this.#key} @click=${(event: Event) => event.stopPropagation()}>
      <div class="what mono quiet" dir="auto">${this.path} = ${this.value}</div>
      ${this.#item(t.onlyThis, () => this.#filter("is"))} ${this.#item(t.exclude, () => this.#filter("not"))}
      ${this.viewer.can.pages && this.path === "actor.id" ? this.#item(t.actorPage, () => this.#page("actor")) : nothing}
      ${this.viewer.can.pages && this.path === "targets.id" ? this.#item(t.targetPage, () => this.#page("target")) : nothing}
      ${this.#item(t.copyValue, () => void navigator.clipboard?.writeText(String(this.value)))}
    </div>`;
  }

  #item(label: string, run: () => void) {
    return html`<button role="menuitem" @click=${() => {
      this.#popover.hidePopover();
      run();
    }}>${label}</button>`;
  }

  get #popover(): HTMLElement {
    return this.renderRoot.querySelector("[popover]") as HTMLElement;
  }

  #toggle = async (event: Event) => {
    event.stopPropagation();
    if (this.open) return this.#popover.hidePopover();
    this.open = true;
    await this.updateComplete;
    const menu = this.#popover;
    menu.showPopover();
    const at = this.getBoundingClientRect();
    menu.style.left = `${Math.max(4, Math.min(at.left, innerWidth - menu.offsetWidth - 4))}px`;
    menu.style.top = `${at.bottom + menu.offsetHeight + 4 > innerHeight ? Math.max(4, at.top - menu.offsetHeight - 2) : at.bottom + 2}px`;
    menu.querySelector("button")?.focus();
  };

  #toggled = (event: ToggleEvent) => {
    this.open = event.newState === "open";
  };

  #key = (event: KeyboardEvent) => {
    const items = [...this.#popover.querySelectorAll("button")];
    const at = items.indexOf(this.shadowRoot?.activeElement as HTMLButtonElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      items[(at + step + items.length) % items.length]?.focus();
    }
    if (event.key === "Tab") this.#popover.hidePopover();
    event.stopPropagation();
    if (event.key === "Escape") {
      this.#popover.hidePopover();
      this.renderRoot.querySelector<HTMLElement>(".value")?.focus();
    }
  };

  #filter(kind: "is" | "not") {
    const { view } = this.viewer;
    const term: Term = { kind, path: this.path, value: this.value };
    this.viewer.patch({ terms: withTerm(view.terms, term), page: view.page === "access" ? "access" : "events", subject: null, event: null });
  }

  #page(page: "actor" | "target") {
    const subject = { type: page === "target" ? this.type : null, id: String(this.value) };
    // All there is of it, whatever stretch was looked at.
    this.viewer.go({ ...this.viewer.view, page, subject, range: ALL_TIME, terms: [], q: "", filter: "", event: null, at: null, live: false });
  }

}

declare global {
  interface HTMLElementTagNameMap {
    "annals-value": ValueElement;
  }
}
