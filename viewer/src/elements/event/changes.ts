/** What changed, as a diff of the states before and after. */

import { LitElement, type TemplateResult, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { Digits, type Exact, isObject } from "../../proof/json.js";
import { eventText } from "../../text/event.js";
import { base } from "../../theme.js";
import { quotedPath } from "../../view/fields.js";
import { type Viewer, Watch } from "../../viewer.js";
import { type Change, type Difference, compare, tally, textParts } from "./diff.js";
import { isBranch, size, summaryOf } from "./json-tree.js";

/** Changes drawn before somebody asks for more. */
const CHILDREN = 300;

const SIGNS: Record<Difference, string> = { added: "+", removed: "−", changed: "±", same: "=" };

const styles = css`
  :host { display: block; min-width: 0; }
  ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 6px; }
  li { min-width: 0; overflow-wrap: anywhere; }
  .head { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: 8px; min-height: 22px; }
  .sign { font-family: var(--mono); font-weight: 600; width: 1ch; flex: none; }
  .added { color: var(--good); }
  .removed { color: var(--bad); }
  .changed { color: var(--warn); }
  .name { font-family: var(--mono); font-size: 0.93em; font-weight: 600; unicode-bidi: isolate; overflow-wrap: anywhere; min-width: 0; }
  .word { font-size: 12px; }
  .side { display: grid; grid-template-columns: 1.6ch minmax(0, 1fr); padding: 2px 8px; border-radius: 4px; margin-top: 2px; }
  .side > .sign { color: inherit; }
  .side.removed { background: var(--bad-ground); color: var(--text); }
  .side.added { background: var(--good-ground); color: var(--text); }
  .side.removed > .sign { color: var(--bad); }
  .side.added > .sign { color: var(--good); }
  .side.both { background: var(--ground-2); }
  .text { white-space: pre-wrap; unicode-bidi: plaintext; }
  ins, del { border-radius: 3px; padding: 0 1px; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
  ins { background: color-mix(in srgb, var(--good) 22%, var(--ground)); text-decoration: underline; text-decoration-color: var(--good); text-underline-offset: 3px; }
  del { background: color-mix(in srgb, var(--bad) 20%, var(--ground)); text-decoration: line-through; text-decoration-color: var(--bad); }
  .inner { padding-inline-start: 10px; margin-inline-start: 4px; margin-top: 4px; border-inline-start: 1px solid var(--line); }
  .inner.flat { padding-inline-start: 0; margin-inline-start: 0; border: 0; }
  summary { cursor: pointer; border-radius: 4px; }
  summary:hover { background: var(--ground-3); }
  summary .head { display: inline-flex; max-width: calc(100% - 20px); vertical-align: top; }
  .type { font-size: 12px; color: var(--text-2); margin-inline-start: 8px; }
  .lead { margin: 0 0 8px; }
`;

/** `<annals-changes .viewer .changes=${event.changes}>`. */
@customElement("annals-changes")
export class ChangesElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) changes: { before?: Exact; after?: Exact; complete?: boolean } = {};
  #change: Change | null = null;
  protected readonly watch = new Watch(this);

  static override styles = [base, styles];

  override willUpdate(changed: Map<string, unknown>) {
    if (changed.has("changes")) this.#change = whole(this.changes);
  }

  override render() {
    const change = this.#change;
    if (!change) return nothing;
    const t = eventText(this.viewer.language);
    const sum = tally(change);
    const complete = this.changes.complete === true;
    const list = change.children.length ? change.children : [change];
    return html`<p class="lead quiet">${change.state === "same" ? t.noChange : `${t.tally(sum.added, sum.removed, sum.changed)}. `}
        ${complete ? t.whole : t.partly} ${this.#missing()} ${change.reordered ? t.reordered : nothing}</p>
      <annals-change-list .viewer=${this.viewer} .changes=${list} .complete=${complete} .names=${[]}></annals-change-list>`;
  }

  /** What stands instead of a state where the other one is an object. */
  #missing() {
    const t = eventText(this.viewer.language);
    const said = (side: string, value: Exact | undefined, other: Exact | undefined) =>
      isObject(other) && (value === undefined || value === null) ? html`${side}: ${value === null ? html`<code>null</code>` : t.notSent}. ` : nothing;
    const { before, after } = this.changes;
    return html`${said(t.before, before, after)}${said(t.after, after, before)}`;
  }
}

/** Both states compared; beside an object, nothing is an object without members. */
function whole({ before, after }: { before?: Exact; after?: Exact }): Change {
  const or = (one: Exact | undefined, other: Exact | undefined) => ((one === undefined || one === null) && isObject(other) ? {} : one);
  return compare(or(before, after), or(after, before));
}

/** Changes of members or items, with those that are the same folded. */
@customElement("annals-change-list")
export class ChangeList extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) changes: readonly Change[] = [];
  @property({ attribute: false }) names: readonly string[] = [];
  @property({ type: Boolean }) complete = false;
  @property({ type: Number }) depth = 0;
  @state() private limit = CHILDREN;
  #turned = new Map<object, boolean>();
  /** What is the same, as one value: a tree stays open as it is while its value is the same object. */
  #unchanged = new WeakMap<object, Exact>();
  protected readonly watch = new Watch(this);

  static override styles = [base, styles];

  override willUpdate(changed: Map<string, unknown>) {
    if (!changed.has("changes")) return;
    this.limit = CHILDREN;
    this.#turned.clear();
  }

  override render() {
    const t = eventText(this.viewer.language);
    const runs = folded(this.changes);
    const left = runs.length - this.limit;
    return html`<ul>${runs.slice(0, this.limit).map((run) => html`<li>${Array.isArray(run) ? this.#same(run) : this.#change(run)}</li>`)}</ul>
      ${left > 0 ? html`<button class="more" @click=${() => (this.limit += CHILDREN)}>${t.showMore(Math.min(left, CHILDREN))}</button>` : nothing}`;
  }

  #fold(of: object, open: boolean, head: TemplateResult, body: () => TemplateResult) {
    const now = this.#turned.get(of) ?? open;
    const turn = (event: Event) => {
      const turned = (event.target as HTMLDetailsElement).open;
      if (turned === now) return;
      this.#turned.set(of, turned);
      this.requestUpdate();
    };
    return html`<details ?open=${now} @toggle=${turn}><summary>${head}</summary>
      ${now ? html`<div class="inner ${this.depth >= 8 ? "flat" : ""}">${body()}</div>` : nothing}</details>`;
  }

  #same(run: Change[]) {
    const t = eventText(this.viewer.language);
    // Folded runs are made anew at each drawing; their first change is not.
    const isItem = typeof run[0]?.name === "number";
    const first = run[0] as Change;
    const value = this.#unchanged.get(first)
      ?? (isItem ? run.map((change) => change.after as Exact) : Object.fromEntries(run.map((change) => [change.name ?? "", change.after as Exact])));
    this.#unchanged.set(first, value);
    const names = ["changes", "after", ...this.names];
    return this.#fold(first, false, html`<span class="quiet">${t.unchanged(run.length)}</span>`, () =>
      html`<annals-json .viewer=${this.viewer} .value=${value} .names=${names} .depth=${9}></annals-json>`);
  }

  #change(change: Change): TemplateResult {
    const head = this.#head(change);
    if (change.children.length) {
      return this.#fold(change, true, head, () => html`<annals-change-list .viewer=${this.viewer} .changes=${change.children}
        .names=${this.#namesOf(change)} .complete=${this.complete} .depth=${this.depth + 1}></annals-change-list>`);
    }
    const { before, after } = change;
    const parts = typeof before === "string" && typeof after === "string" ? textParts(before, after) : null;
    return html`${head}${parts ? this.#text(parts) : html`${this.#side(change, "removed", before)}${this.#side(change, "added", after)}`}`;
  }

  #namesOf(change: Change): readonly string[] {
    return typeof change.name === "string" ? [...this.names, change.name] : this.names;
  }

  #head(change: Change) {
    const t = eventText(this.viewer.language);
    const { name, state, before, after } = change;
    const word = state === "added" && !this.complete ? t.set : t[state];
    const types = state === "changed" && typeOf(before) !== typeOf(after);
    if (name === null) return html``;
    return html`<span class="head"><span class="sign ${state}" aria-hidden="true">${SIGNS[state]}</span>
      <bdi class="name">${typeof name === "number" ? `[${name}]` : name || "“”"}</bdi>${typeof name === "number" && change.children.length ? html`<bdi class="quiet">${calledOf(after)}</bdi>` : nothing}
      <span class="word ${state}">${word}${change.reordered ? `, ${t.reordered}` : ""}</span>
      ${types ? html`<span class="type">${this.#type(before)} → ${this.#type(after)}</span>` : nothing}</span>`;
  }

  #type(value: Exact | undefined): string {
    const t = eventText(this.viewer.language);
    return { string: t.textOf, number: t.numberOf, boolean: t.booleanOf, null: t.nullOf, list: t.listOf, object: t.objectOf, none: t.absent }[typeOf(value)];
  }

  #side(change: Change, side: "added" | "removed", value: Exact | undefined) {
    const t = eventText(this.viewer.language);
    if (value === undefined) {
      const unsaid = side === "added" && !this.complete && change.state === "removed";
      return unsaid ? html`<div class="side both"><span></span><span class="quiet">${t.after}: ${t.notSent}</span></div>` : nothing;
    }
    const names = ["changes", side === "added" ? "after" : "before", ...this.#namesOf(change)];
    return html`<div class="side ${side}"><span class="sign" aria-hidden="true">${SIGNS[side]}</span><div>
      <span class="unseen">${side === "added" ? t.after : t.before}: </span>${isBranch(value) && size(value) === 0 ? html`<span class="quiet">${summaryOf(value, this.viewer)}</span>` : isBranch(value)
        ? this.#fold(side === "added" ? change : this.#beforeOf(change), true, html`<span class="quiet">${summaryOf(value, this.viewer)}</span>`, () =>
            html`<annals-json .viewer=${this.viewer} .value=${value} .names=${names} .depth=${1}></annals-json>`)
        : html`<annals-leaf .viewer=${this.viewer} .path=${quotedPath(names)} .value=${value}></annals-leaf>`}</div></div>`;
  }

  /** Another object than the change itself, always the same one, to remember what of its older side is open. */
  #beforeOf(change: Change): object {
    return change.children;
  }

  #text(parts: ReturnType<typeof textParts>) {
    const t = eventText(this.viewer.language);
    return html`<div class="side both"><span class="sign changed" aria-hidden="true">±</span><div class="text">${parts?.map((part) =>
      part.state === "same"
        ? part.text
        : part.state === "added"
          ? html`<ins><span class="unseen"> [${t.added}: </span>${part.text}<span class="unseen">] </span></ins>`
          : html`<del><span class="unseen"> [${t.removed}: </span>${part.text}<span class="unseen">] </span></del>`)}</div></div>`;
  }
}

/** Characters of what an item is called. */
const CALLED_CHARACTERS = 60;

/** What people call an item of a list. */
function calledOf(item: Exact | undefined): string {
  if (!isObject(item)) return "";
  const called = ["name", "title", "id", "key"].map((name) => item[name]).find((value) => typeof value === "string" || typeof value === "number");
  return called === undefined ? "" : String(called).slice(0, CALLED_CHARACTERS);
}

/** Changes one by one, and runs of what is the same. */
function folded(changes: readonly Change[]): (Change | Change[])[] {
  const runs: (Change | Change[])[] = [];
  for (const change of changes) {
    const last = runs.at(-1);
    if (change.state !== "same") runs.push(change);
    else if (Array.isArray(last)) last.push(change);
    else runs.push([change]);
  }
  return runs;
}

function typeOf(value: Exact | undefined): "string" | "number" | "boolean" | "null" | "list" | "object" | "none" {
  if (value === undefined) return "none";
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (value instanceof Digits) return "number";
  return typeof value as "string" | "number" | "boolean" | "object";
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-changes": ChangesElement;
    "annals-change-list": ChangeList;
  }
}
