/** A target's fields over time, and how it looked at a chosen moment. */

import { LitElement, type TemplateResult, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { AuditEvent, Json } from "../api/types.js";
import { labelOf } from "../history/flat.js";
import { FIELDS_MAX, type Known, type Life, type Span, equal } from "../history/fold.js";
import { CHANGES_MAX, type Loaded } from "../history/load.js";
import { type FieldState, type Look, lookAt } from "../history/moment.js";
import type { Moment } from "../history/step.js";
import { icons } from "../icons.js";
import { common } from "../text/common.js";
import { pagesText } from "../text/pages.js";
import { base } from "../theme.js";
import { fromField, instant, toField } from "../view/time.js";
import { type Viewer, Watch } from "../viewer.js";
import { layout, moment } from "./pages/layout.js";

/** `<annals-target-history .viewer .loaded .read>`: at `view.at`. Fires `pick` with an event that was opened. */
@customElement("annals-target-history")
export class TargetHistoryElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) loaded: Loaded | null = null;
  /** Changes that were read so far. */
  @property({ attribute: false }) read = 0;
  @state() private open = new Set<string>();
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    layout,
    css`
      :host { display: block; height: auto; }
      .controls { padding: 12px 14px; display: grid; gap: 8px; margin-top: 10px; }
      .line { display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center; }
      .line label { font-size: 13px; color: var(--text-2); }
      input[type="range"] { flex: 1 1 140px; min-width: 80px; height: 30px; margin: 0; }
      .where { font-size: 13px; color: var(--text-2); font-variant-numeric: tabular-nums; }
      .notes { display: grid; gap: 6px; margin: 10px 0; }
      .fields { overflow: hidden; }
      .field { display: grid; grid-template-columns: minmax(90px, 0.8fr) minmax(0, 1.6fr) minmax(0, 1.2fr); gap: 2px 14px; padding: 8px 14px; border-bottom: 1px solid var(--line); align-items: start; }
      .field:last-child { border-bottom: 0; }
      .field.head { padding-block: 6px; font-size: 12px; color: var(--text-2); background: var(--ground-2); }
      .field.changed { background: var(--accent-ground); }
      .name { overflow-wrap: anywhere; font-weight: 500; }
      .label { display: block; max-height: 6em; overflow: auto; }
      .value { overflow-wrap: anywhere; max-height: 9em; overflow: auto; white-space: pre-wrap; }
      .since { font-size: 13px; color: var(--text-2); overflow-wrap: anywhere; }
      .not { color: var(--text-2); font-style: italic; }
      .conflict { color: var(--warn); display: flex; gap: 6px; } .conflict svg { flex: none; margin-top: 3px; }
      .text { border: 0; background: none; padding: 0; min-height: 0; color: var(--accent); text-decoration: underline; text-underline-offset: 2px; font: inherit; display: inline; }
      .text:hover { background: none !important; }
      .more { display: inline-flex; gap: 2px; padding: 0 6px; min-height: 24px; font-size: 12px; border: 0; background: var(--ground-3); border-radius: 99px; margin-top: 3px; color: var(--text-2); }
      .more svg { width: 12px; height: 12px; }
      .more[aria-expanded="true"] svg { transform: rotate(90deg); }
      .past { grid-column: 1 / -1; }
      .past ol { list-style: none; margin: 6px 0 4px; padding: 0 0 0 12px; border-inline-start: 2px solid var(--line); display: grid; gap: 8px; max-height: 60vh; overflow: auto; }
      .past li { display: grid; grid-template-columns: minmax(0, 1.6fr) minmax(0, 1.2fr); gap: 2px 14px; }
      .past li.here { font-weight: 600; }
      .badge { font-size: 12px; padding: 0 7px; border-radius: 99px; background: var(--accent); color: var(--on-accent); font-weight: 400; }
      @container (max-width: 560px) {
        .field { grid-template-columns: minmax(0, 1fr); padding-inline: 12px; }
        .field.head { display: none; }
        .past li { grid-template-columns: minmax(0, 1fr); }
      }
    `,
  ];

  override render() {
    const t = pagesText(this.viewer.language);
    return html`<h2>${t.fields}</h2><div class="quiet">${t.fieldsHelp}</div>${this.#body()}`;
  }

  #body() {
    const t = pagesText(this.viewer.language);
    if (!this.loaded) {
      return html`<div role="status"><p class="quiet">${this.read ? t.loadingChanges(this.read) : common(this.viewer.language).loading}</p>
        ${Array.from({ length: 5 }, () => html`<p class="skeleton"></p>`)}</div>`;
    }
    const { history, cut } = this.loaded;
    if (!history.points.length) return html`<div class="empty card controls"><strong>${t.noChanges}</strong><span>${t.noChangesHelp}</span></div>`;
    const look = lookAt(history, this.viewer.view.at);
    const number = (n: number) => n.toLocaleString(this.viewer.language);
    return html`${this.#controls(history.points)}
      <div class="notes" role="status">
        ${cut ? this.#note("warn", t.cut(number(CHANGES_MAX))) : nothing}
        ${history.cut ? this.#note("warn", t.fieldsCut(number(FIELDS_MAX))) : nothing}
        ${this.#basis(look)}
      </div>
      ${this.#fields(look)}`;
  }

  #note(kind: string, text: string | TemplateResult) {
    return html`<div class="note ${kind}">${kind === "good" ? icons.check : kind ? icons.warn : icons.clock}<span>${text}</span></div>`;
  }

  #controls(points: string[]) {
    const t = pagesText(this.viewer.language);
    const { zone, view } = this.viewer;
    const place = this.#place(points);
    const where = view.at === null ? t.latest : place === 0 ? t.beforeAll : t.atChange(place, points.length);
    const shown = view.at === null ? t.now : instant(view.at, zone);
    return html`<div class="card controls" role="group" aria-label=${t.moment}>
      <div class="line">
        <label for="at">${t.moment}</label>
        <input id="at" type="datetime-local" step="1" .value=${toField(view.at, zone)} @change=${(event: Event) => this.#choose(event.target as HTMLInputElement)} />
        <button aria-pressed=${view.at === null} @click=${() => this.#go(null)}>${t.now}</button>
        <span class="where" role="status">${shown}, ${where}</span>
      </div>
      <div class="line">
        <button class="icon" aria-label=${t.earlier} title=${t.earlier} ?disabled=${place === 0} @click=${() => this.#goTo(points, view.at === null ? points.length - 1 : this.#isOn(points, place) ? place - 1 : place)}>${icons.left}</button>
        <input type="range" aria-label=${t.momentSlider} min="0" max=${points.length} step="1" .value=${String(place)} aria-valuetext=${`${shown}, ${where}`}
          @input=${(event: Event) => this.#goTo(points, Number((event.target as HTMLInputElement).value))} />
        <button class="icon" aria-label=${t.later} title=${t.later} ?disabled=${place === points.length} @click=${() => this.#goTo(points, place + 1)}>${icons.right}</button>
      </div>
    </div>`;
  }

  /** How many changes there were up to the chosen moment. */
  #place(points: string[]): number {
    const { at } = this.viewer.view;
    return at === null ? points.length : points.findLastIndex((point) => point <= at) + 1;
  }

  /** Whether the moment is that of a change, rather than after one. */
  #isOn(points: string[], place: number): boolean {
    return points[place - 1] === this.viewer.view.at;
  }

  #goTo(points: string[], place: number): void {
    // The last one is now; before the first there is a moment before it.
    if (place >= points.length) return this.#go(null);
    const first = points[0] as string;
    this.#go(place <= 0 ? microsecondBefore(first) : (points[place - 1] as string));
  }

  #choose(input: HTMLInputElement): void {
    const text = fromField(input.value, this.viewer.zone);
    // Within the second that was chosen everything has happened.
    this.#go(text === null ? null : text.replace(/\.\d+Z$/, ".999999Z"));
  }

  #go(at: string | null): void {
    this.viewer.patch({ at }, true);
  }

  /** On what the picture stands. */
  #basis(look: Look) {
    const t = pagesText(this.viewer.language);
    const at = (moment: Moment) => html`<button class="text" @click=${() => this.#pick(moment)}>${instant(moment.at, this.viewer.zone)}</button> <bdi>${t.by(who(moment))}</bdi>`;
    const sentence = (text: (time: string) => string, moment: Moment) => {
      const [start, end] = text("\0").split("\0");
      return html`${start}${at(moment)}${end}`;
    };
    switch (look.is) {
      case "not_created": return this.#note("", sentence(t.notCreated, look.created));
      case "deleted": return this.#note("bad", sentence(this.viewer.view.at === null ? t.deletedNow : t.deletedAt, look.deleted));
      case "before": return look.first ? this.#note("warn", sentence(t.tooEarly, look.first)) : nothing;
      case "there": {
        const whole = look.whole;
        return html`${whole ? this.#note("good", sentence(t.exact, whole)) : this.#note("", t.partial)}${look.silent ? this.#note("warn", t.silent(look.silent)) : nothing}`;
      }
    }
  }

  #fields(look: Look) {
    const t = pagesText(this.viewer.language);
    if (look.is === "not_created") return nothing;
    if (look.is === "deleted") {
      const last = lastFields(look.life);
      return last.length ? html`<h3>${t.lastState}</h3>${this.#table(last)}` : nothing;
    }
    return look.fields.length ? this.#table(look.fields) : nothing;
  }

  #table(fields: FieldState[]) {
    const t = pagesText(this.viewer.language);
    const sorted = [...fields].sort((one, other) => Number(one.is === "absent") - Number(other.is === "absent"));
    return html`<div class="card fields" role="table" aria-label=${t.fields}>
      <div class="field head" role="row"><span role="columnheader">${t.field}</span><span role="columnheader">${t.value}</span><span role="columnheader">${t.since}</span></div>
      ${repeat(sorted, (field) => field.key, (field) => this.#field(field))}
    </div>`;
  }

  #field(field: FieldState) {
    const t = pagesText(this.viewer.language);
    const label = labelOf(field.key) || t.whole;
    const past = this.#lives(field.key);
    const values = past.reduce((sum, { spans }) => sum + spans.length, 0);
    const opened = this.open.has(field.key);
    const here = this.viewer.view.at !== null && field.span.from?.at === this.viewer.view.at;
    return html`<div class="field ${here ? "changed" : ""}" role="row">
      <span class="name" role="rowheader"><span class="label" dir="auto">${label}</span>
        ${here ? html`<span class="badge">${t.changedHere}</span>` : nothing}
        ${values > 1
          ? html`<div><button class="more" aria-expanded=${opened} aria-label=${`${t.history(label)}: ${t.values(values)}`} @click=${() => this.#toggle(field.key)}>${icons.right}${t.values(values)}</button></div>`
          : nothing}
      </span>
      <span class="value" role="cell" dir="auto">${this.#state(field)}</span>
      <span class="since" role="cell">${this.#since(field)}</span>
      ${opened
        ? html`<div class="past" role="cell"><ol aria-label=${t.history(label)}>${past.map(({ deleted, spans }) => html`
            ${deleted ? html`<li class="not">${t.deletedNow(moment(deleted.at, this.viewer.zone, true))}</li>` : nothing}
            ${spans.map((span) => this.#past(span, span === field.span))}`)}</ol></div>`
        : nothing}
    </div>`;
  }

  /** What is told of a field in each life, newest first; its absence after a life's end is told by that end. */
  #lives(key: string): { deleted: Moment | null; spans: Span[] }[] {
    const lives = (this.loaded?.history.lives ?? []).map(({ deleted, fields }) => {
      const spans = (fields.get(key) ?? []).filter((span) => (span.start !== null || span.end !== null) && (!deleted || span.from?.event !== deleted.event));
      return { deleted, spans: spans.reverse() };
    });
    return lives.filter(({ spans }) => spans.length).reverse();
  }

  #state(field: FieldState) {
    const t = pagesText(this.viewer.language);
    switch (field.is) {
      case "value":
      case "until": return shown(field.value);
      case "absent": return html`<span class="not">${t.absent}</span>`;
      case "unknown": return html`<span class="not">${t.unknown}</span>`;
      case "conflict": return html`${this.#known(field.value)}<div class="conflict">${icons.warn}<span>${t.foundAs} ${this.#known(field.later)}</span></div>`;
    }
  }

  #known(known: Known) {
    const t = pagesText(this.viewer.language);
    if (known === null) return html`<span class="not">${t.unknown}</span>`;
    return known === "absent" ? html`<span class="not">${t.absent}</span>` : shown(known.value);
  }

  /** Since when a field is as it is, and who made it so. */
  #since(field: FieldState) {
    const t = pagesText(this.viewer.language);
    const { zone } = this.viewer;
    const { from, to, set } = field.span;
    if (field.is === "until" || (field.is === "absent" && field.span.start === null)) return to ? t.wasUntil(moment(to.at, zone, true)) : nothing;
    if (field.is === "unknown" || !from) return nothing;
    return html`${this.#told(from, set)}${field.is === "conflict" && to ? html`<div>${t.conflict(moment(to.at, zone, true))}</div>` : nothing}`;
  }

  #told(from: Moment, set: boolean) {
    const t = pagesText(this.viewer.language);
    const time = moment(from.at, this.viewer.zone, true);
    return html`<button class="text" @click=${() => this.#pick(from)}>${set ? t.setOn(time) : t.knownSince(time)}</button>
      ${set ? html`<span dir="auto">${t.by(who(from))}</span>` : nothing}
      ${from.shared ? html`<div>${t.shared(from.shared)}</div>` : nothing}`;
  }

  /** One span of a field's history. */
  #past(span: Span, here: boolean) {
    const t = pagesText(this.viewer.language);
    const found = span.start === null && span.end !== null;
    const lost = span.start !== null && span.end !== null && !equal(span.start, span.end);
    return html`<li class=${here ? "here" : ""} aria-current=${here ? "true" : nothing}>
      <span class="value" dir="auto">${this.#known(found ? span.end : span.start)}${lost ? html`<div class="conflict">${icons.warn}<span>${t.foundAs} ${this.#known(span.end)}</span></div>` : nothing}</span>
      <span class="since">${found && span.to ? t.wasUntil(moment(span.to.at, this.viewer.zone, true)) : span.from ? this.#told(span.from, span.set) : t.notTold}</span>
    </li>`;
  }

  #toggle(key: string): void {
    const open = new Set(this.open);
    if (!open.delete(key)) open.add(key);
    this.open = open;
  }

  #pick(moment: Moment): void {
    const event = this.loaded?.events.get(moment.event);
    if (event) this.dispatchEvent(new CustomEvent<AuditEvent>("pick", { detail: event }));
  }
}

/** How the fields of a life were when it ended. */
function lastFields(life: Life): FieldState[] {
  const fields: FieldState[] = [];
  for (const [key, spans] of life.fields) {
    const span = spans.findLast((span) => span.to?.event === life.deleted?.event) ?? spans.at(-1);
    if (!span) continue;
    const known = span.end ?? span.start;
    if (known === null || known === "absent") continue;
    fields.push({ key, span, is: span.start === null ? "until" : "value", value: known.value });
  }
  return fields;
}

/** A value as people read it: texts as they are, everything else as JSON. */
function shown(value: Json) {
  if (typeof value === "string") return value === "" ? html`<span class="mono">""</span>` : value;
  return html`<span class="mono">${JSON.stringify(value, null, typeof value === "object" ? 1 : 0)}</span>`;
}

function who(moment: Moment): string {
  const { name, email, id, type } = moment.by;
  return name ?? email ?? id ?? type ?? "";
}

/** The instant right before one with six digits. */
function microsecondBefore(at: string): string {
  const ms = new Date(at).getTime();
  const micros = Number(/\.\d{3}(\d{3})Z$/.exec(at)?.[1] ?? 0);
  const [before, rest] = micros > 0 ? [ms, micros - 1] : [ms - 1, 999];
  return new Date(before).toISOString().replace("Z", `${String(rest).padStart(3, "0")}Z`);
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-target-history": TargetHistoryElement;
  }
}
