/** A value of an event: what is shown, and a menu of what it can be used for. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { base, usable } from "../theme.js";
import type { Scalar } from "../view/view.js";
import type { Viewer } from "../viewer.js";
import "./value-menu.js";

/** `<annals-value .viewer .path="actor.id" .value="u1" .label="Ana">`: a button that opens `<annals-value-menu>`. */
@customElement("annals-value")
export class ValueElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property() path = "";
  @property({ attribute: false }) value: Scalar = "";
  /** The target's type, for the link to its page. */
  @property({ attribute: false }) type: string | null = null;
  /** What is shown; the value itself when left out. */
  @property() label = "";
  /** The menu was asked for: most never are. */
  @state() private used = false;

  static override styles = [base, usable, css`:host { position: relative; display: inline-flex; min-width: 0; max-width: 100%; margin-inline-start: -3px; }`];

  override render() {
    return html`<button class="value" part="value" dir="auto" aria-haspopup="menu" aria-expanded="false" @click=${this.#use}>${this.label || String(this.value)}</button>
      ${this.used ? html`<annals-value-menu .viewer=${this.viewer}></annals-value-menu>` : nothing}`;
  }

  #use = async (event: Event) => {
    event.stopPropagation();
    const button = event.currentTarget as HTMLElement;
    this.used = true;
    await this.updateComplete;
    const { path, value, type } = this;
    await this.renderRoot.querySelector("annals-value-menu")?.toggle(button, { path, value, type });
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-value": ValueElement;
  }
}
