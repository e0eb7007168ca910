/** What a value of an event can be used for: a menu at the value that was clicked. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { common } from "../text/common.js";
import { base } from "../theme.js";
import { ALL_TIME } from "../view/time.js";
import { type Scalar, type Term, withTerm } from "../view/view.js";
import type { Viewer } from "../viewer.js";

/** A value, and the member it is the value of. */
export interface Usable {
  path: string;
  value: Scalar;
  /** The target's type, for the link to its page. */
  type: string | null;
}

/** `<annals-value-menu .viewer>`: filters by a value, leaves it out, copies it, or goes to the page of the actor or target it names. */
@customElement("annals-value-menu")
export class ValueMenuElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @state() private used: Usable | null = null;
  #anchor: HTMLElement | null = null;

  static override styles = [
    base,
    css`
      :host { display: contents; }
      [popover] {
        position: fixed; inset: auto; margin: 0; padding: 4px; min-width: 190px; max-width: min(340px, 92vw); border: 1px solid var(--line);
        border-radius: var(--radius); background: var(--ground); color: var(--text); box-shadow: var(--shadow); font: 14px/1.4 var(--font); white-space: normal;
      }
      [popover] button { width: 100%; border: 0; background: none; }
      [popover] button:hover, [popover] button:focus-visible { background: var(--ground-3); }
      .what { padding: 4px 10px 6px; overflow-wrap: anywhere; max-height: 6.5em; overflow: auto; }
    `,
  ];

  /** Opens at the button that shows the value; closes where it is open there. */
  async toggle(anchor: HTMLElement, used: Usable): Promise<void> {
    if (this.used && anchor === this.#anchor) return this.#popover.hidePopover();
    this.#anchor = anchor;
    this.used = used;
    await this.updateComplete;
    const menu = this.#popover;
    menu.showPopover();
    anchor.setAttribute("aria-expanded", "true");
    const at = anchor.getBoundingClientRect();
    menu.style.left = `${Math.max(4, Math.min(at.left, innerWidth - menu.offsetWidth - 4))}px`;
    menu.style.top = `${at.bottom + menu.offsetHeight + 4 > innerHeight ? Math.max(4, at.top - menu.offsetHeight - 2) : at.bottom + 2}px`;
    menu.querySelector("button")?.focus();
  }

  override render() {
    if (!this.used) return nothing;
    const t = common(this.viewer.language);
    const { path, value } = this.used;
    return html`<div popover role="menu" @toggle=${this.#toggled} @keydown=${this.#key} @click=${(event: Event) => event.stopPropagation()}>
      <div class="what mono quiet" dir="auto">${path} = ${value}</div>
      ${this.#item(t.onlyThis, () => this.#filter("is"))} ${this.#item(t.exclude, () => this.#filter("not"))}
      ${this.viewer.can.pages && path === "actor.id" ? this.#item(t.actorPage, () => this.#page("actor")) : nothing}
      ${this.viewer.can.pages && path === "targets.id" ? this.#item(t.targetPage, () => this.#page("target")) : nothing}
      ${this.#item(t.copyValue, () => void navigator.clipboard?.writeText(String(value)))}
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

  #toggled = (event: ToggleEvent) => {
    if (event.newState === "open") return;
    this.#anchor?.setAttribute("aria-expanded", "false");
    this.#anchor = null;
  };

  #key = (event: KeyboardEvent) => {
    const items = [...this.#popover.querySelectorAll("button")];
    const at = items.indexOf(this.shadowRoot?.activeElement as HTMLButtonElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      items[(at + step + items.length) % items.length]?.focus();
    }
    const anchor = this.#anchor;
    if (event.key === "Tab") this.#popover.hidePopover();
    event.stopPropagation();
    if (event.key === "Escape") {
      this.#popover.hidePopover();
      anchor?.focus();
    }
  };

  #filter(kind: "is" | "not") {
    if (!this.used) return;
    const { view } = this.viewer;
    const term: Term = { kind, path: this.used.path, value: this.used.value };
    this.viewer.patch({ terms: withTerm(view.terms, term), page: view.page === "access" ? "access" : "events", subject: null, event: null });
  }

  #page(page: "actor" | "target") {
    if (!this.used) return;
    const subject = { type: page === "target" ? this.used.type : null, id: String(this.used.value) };
    // All there is of it, whatever stretch was looked at.
    this.viewer.go({ ...this.viewer.view, page, subject, range: ALL_TIME, terms: [], q: "", filter: "", event: null, at: null, live: false });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-value-menu": ValueMenuElement;
  }
}
