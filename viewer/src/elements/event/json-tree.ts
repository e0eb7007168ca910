/** JSON as a tree that opens and closes. What is closed is not drawn. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { Digits, type Exact, isObject } from "../../proof/json.js";
import { eventText } from "../../text/event.js";
import { base } from "../../theme.js";
import { quotedPath } from "../../view/fields.js";
import { type Viewer, Watch } from "../../viewer.js";
import "./leaf.js";

/** Members or items drawn before somebody asks for more. */
const CHILDREN = 500;
/** An object or array up to this large, not deeper than this, is open from the beginning. */
const OPEN_CHILDREN_MAX = 12;
const OPEN_DEPTH_MAX = 2;
/** Deeper than this nothing is moved to the right any more: there is no room. */
const INDENT_DEPTH_MAX = 8;

/** The members of an object, or the items of an array: `.names` lead to it, arrays passed over. */
@customElement("annals-json")
export class JsonTree extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) value: Exact = null;
  /** Names of the members that lead here; none where its values cannot be asked for. */
  @property({ attribute: false }) names: readonly string[] | null = null;
  @property({ type: Number }) depth = 0;
  @state() private limit = CHILDREN;
  #turned = new Map<string | number, boolean>();
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      :host { display: block; min-width: 0; }
      ul { list-style: none; margin: 0; padding: 0; }
      li { min-width: 0; padding-block: 1px; overflow-wrap: anywhere; }
      .name { font-family: var(--mono); font-size: 0.93em; color: var(--text-2); margin-inline-end: 8px; unicode-bidi: isolate; }
      summary { cursor: pointer; border-radius: 4px; list-style-position: outside; margin-inline-start: 14px; min-height: 22px; }
      summary:hover { background: var(--ground-3); }
      .inner { padding-inline-start: 10px; margin-inline-start: 4px; border-inline-start: 1px solid var(--line); }
      .inner.flat { padding-inline-start: 0; margin-inline-start: 0; border: 0; }
      .plain-row { padding-inline-start: 14px; }
      .more { margin-top: 4px; }
    `,
  ];

  override willUpdate(changed: Map<string, unknown>) {
    if (!changed.has("value")) return;
    this.limit = CHILDREN;
    this.#turned.clear();
  }

  override render() {
    const t = eventText(this.viewer.language);
    const entries: [string | number, Exact][] = Array.isArray(this.value)
      ? this.value.map((item, at) => [at, item])
      : Object.entries(this.value as { [name: string]: Exact });
    const left = entries.length - this.limit;
    return html`<ul>${entries.slice(0, this.limit).map(([name, value]) => html`<li>${this.#entry(name, value)}</li>`)}</ul>
      ${left > 0 ? html`<button class="more" @click=${() => (this.limit += CHILDREN)}>${t.showMore(Math.min(left, CHILDREN))}</button>` : nothing}`;
  }

  #entry(name: string | number, value: Exact) {
    const names = this.names && (typeof name === "string" ? [...this.names, name] : this.names);
    const label = html`<bdi class="name">${typeof name === "string" ? name || "“”" : `[${name}]`}</bdi>`;
    if (isBranch(value) && size(value) === 0) return html`<div class="plain-row">${label}<span class="quiet">${summaryOf(value, this.viewer)}</span></div>`;
    if (!isBranch(value)) {
      return html`<div class="plain-row">${label}<annals-leaf .viewer=${this.viewer} .path=${names ? quotedPath(names) : ""} .value=${value}></annals-leaf></div>`;
    }
    const open = this.#turned.get(name) ?? (size(value) <= OPEN_CHILDREN_MAX && this.depth < OPEN_DEPTH_MAX);
    const turn = (event: Event) => {
      const now = (event.target as HTMLDetailsElement).open;
      if (now === open) return;
      this.#turned.set(name, now);
      this.requestUpdate();
    };
    return html`<details ?open=${open} @toggle=${turn}>
      <summary>${label}<span class="quiet">${summaryOf(value, this.viewer)}</span></summary>
      ${open
        ? html`<div class="inner ${this.depth >= INDENT_DEPTH_MAX ? "flat" : ""}"><annals-json .viewer=${this.viewer} .value=${value} .names=${names} .depth=${this.depth + 1}></annals-json></div>`
        : nothing}
    </details>`;
  }
}

/** Whether there is something inside to open. */
export function isBranch(value: Exact | undefined): value is Exact[] | { [name: string]: Exact } {
  return typeof value === "object" && value !== null && !(value instanceof Digits);
}

export function size(value: Exact): number {
  return Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 0;
}

/** `{3 members}`, `[empty list]`. */
export function summaryOf(value: Exact, viewer: Viewer): string {
  const t = eventText(viewer.language);
  const n = size(value);
  if (Array.isArray(value)) return `[ ${n ? t.items(n) : t.emptyList} ]`;
  return `{ ${n ? t.members(n) : t.emptyObject} }`;
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-json": JsonTree;
  }
}
