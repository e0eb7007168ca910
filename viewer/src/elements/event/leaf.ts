/** One scalar of an event, whatever it is: text of any length, number with all its digits, null. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { Digits } from "../../proof/json.js";
import { eventText } from "../../text/event.js";
import { base } from "../../theme.js";
import { type Viewer, Watch } from "../../viewer.js";
import "../value.js";

/** Characters of a text that are shown before somebody asks for the rest. */
const TEXT_CHARACTERS = 400;

/** What reads in the place of an id that was erased. */
const PSEUDONYM = /^erased-[0-9a-f]{8}$/;

/** `<annals-leaf .viewer path="metadata.plan" .value=${"pro"}>`; without a path it is only shown. */
@customElement("annals-leaf")
export class LeafElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property() path = "";
  @property({ attribute: false }) value: string | number | boolean | null | Digits = null;
  /** The target's type, for the link to its page. */
  @property({ attribute: false }) type: string | null = null;
  @property() label = "";
  /** Something of the event was erased: what looks like a pseudonym is one. */
  @property({ type: Boolean }) erased = false;
  @state() private whole = false;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      :host { display: inline; min-width: 0; overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }
      /* A value begins a little before its place; it may be as much wider. */
      annals-value { max-width: calc(100% + 3px); }
      .nothing { color: var(--text-2); font-style: italic; }
      .show { min-height: 24px; padding: 0 6px; font-size: 12px; color: var(--accent); vertical-align: baseline; }
      .mark { margin-inline-start: 6px; padding: 0 6px; border-radius: 9px; background: var(--warn-ground); color: var(--warn); font-size: 12px; white-space: nowrap; }
    `,
  ];

  override willUpdate(changed: Map<string, unknown>) {
    if (changed.has("value")) this.whole = false;
  }

  override render() {
    const t = eventText(this.viewer.language);
    const { value } = this;
    if (value === null || value === undefined) return html`<span class="nothing">null</span>`;
    // A filter could not name such a number exactly.
    if (value instanceof Digits) return html`<span class="mono">${value.text}</span>`;
    const text = this.label || (value === "" ? t.emptyText : String(value));
    const long = text.length > TEXT_CHARACTERS;
    const shown = long && !this.whole ? `${clipped(text)}…` : text;
    return html`${this.path
      ? html`<annals-value .viewer=${this.viewer} .path=${this.path} .value=${value} .type=${this.type} .label=${shown}></annals-value>`
      : html`<span dir="auto" class=${value === "" ? "nothing" : ""}>${shown}</span>`}${long
      ? html`<button class="plain show" aria-expanded=${this.whole} @click=${() => (this.whole = !this.whole)}>${this.whole ? t.showLess : t.showText(text.length)}</button>`
      : nothing}${this.erased && typeof value === "string" && PSEUDONYM.test(value) ? html`<span class="mark">${t.erasedMark}</span>` : nothing}`;
  }
}

/** The beginning of a text, without half a character at its end. */
function clipped(text: string): string {
  return text.slice(0, TEXT_CHARACTERS).replace(/[\ud800-\udbff]$/, "");
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-leaf": LeafElement;
  }
}
