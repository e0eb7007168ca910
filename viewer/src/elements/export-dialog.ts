/** Takes away what is shown: as a file of any length, as evidence, or on paper. Nothing is cut silently. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { ApiError } from "../api/client.js";
import type { Summary } from "../api/types.js";
import { asApiError } from "../explorer/finder.js";
import { icons } from "../icons.js";
import { common } from "../text/common.js";
import { exportText } from "../text/export.js";
import { base } from "../theme.js";
import { question } from "../view/view.js";
import { type Viewer, Watch } from "../viewer.js";
import { conditionsIn, timeIn } from "./export-dialog/question.js";
import { readReport, showReport } from "./export-dialog/report.js";
import { HELD_BYTES_MAX, NotWhole, download, save } from "./export-dialog/save.js";

const FORMS = ["csv", "ndjson", "parquet", "bundle", "report"] as const;
type Form = (typeof FORMS)[number];

/** `<annals-export .viewer .total>`: a button, and the dialog behind it. */
@customElement("annals-export")
export class ExportElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  /** How many events match, where that is known already. */
  @property({ attribute: false }) total: number | null = null;
  @state() private form: Form = "csv";
  @state() private bom = false;
  @state() private counted: number | null | "failed" = null;
  /** What goes on, in words; and whether it went wrong. */
  @state() private says: { text: string; bad: boolean } | null = null;
  @state() private going: AbortController | null = null;
  protected readonly watch = new Watch(this);
  #counting: AbortController | null = null;

  static override styles = [
    base,
    css`
      :host { display: inline-flex; }
      dialog {
        width: min(560px, calc(100vw - 16px)); max-height: calc(100dvh - 24px); padding: 0; border: 1px solid var(--line); border-radius: calc(var(--radius) + 4px); background: var(--ground); color: var(--text);
        box-shadow: var(--shadow); font: 14px/1.45 var(--font);
      }
      dialog::backdrop { background: rgb(10 12 20 / 45%); }
      form { display: grid; gap: 14px; padding: 18px 20px; }
      header { display: flex; gap: 8px; align-items: center; }
      h2 { flex: 1; font-size: 17px; }
      .asked { padding: 10px 12px; border-radius: var(--radius); background: var(--ground-2); display: grid; gap: 3px; overflow-wrap: anywhere; max-height: 9em; overflow: auto; }
      .asked strong { font-size: 15px; font-variant-numeric: tabular-nums; }
      fieldset { border: 0; margin: 0; padding: 0; display: grid; gap: 2px; }
      legend { padding: 0; margin-bottom: 4px; font-size: 12px; color: var(--text-2); }
      .form { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0 10px; padding: 7px 10px; border-radius: var(--radius); cursor: pointer; align-items: baseline; }
      .form:hover { background: var(--ground-2); }
      .form:has(:checked) { background: var(--accent-ground); }
      .form:has(:disabled) { cursor: default; opacity: 0.7; }
      .form span:last-child { grid-column: 2; font-size: 13px; color: var(--text-2); }
      .form input { min-height: 0; margin: 0; }
      .check { display: flex; gap: 8px; align-items: center; } .check input { min-height: 0; margin: 0; }
      .small { font-size: 12px; color: var(--text-2); margin: 0; }
      .says { padding: 8px 12px; border-radius: var(--radius); background: var(--good-ground); overflow-wrap: anywhere; }
      .says.bad { background: var(--bad-ground); }
      footer { display: flex; gap: 8px; justify-content: flex-end; flex-wrap: wrap; }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#counting?.abort();
    this.going?.abort();
  }

  /** Opens the dialog. */
  show(): void {
    if (!this.viewer.can.export) return;
    this.says = null;
    this.counted = this.total;
    this.#dialog.showModal();
    if (this.counted === null) void this.#count();
  }

  override render() {
    const t = exportText(this.viewer.language);
    const may = this.viewer.can.export;
    return html`<button aria-haspopup="dialog" aria-disabled=${may ? nothing : "true"} title=${may ? nothing : t.notAllowed} ?disabled=${!may} @click=${() => this.show()}>${icons.download}${t.export}</button>
      ${may ? nothing : html`<span class="unseen">${t.notAllowed}</span>`}
      <dialog aria-labelledby="title" @keydown=${(event: Event) => event.stopPropagation()} @close=${() => this.#counting?.abort()}>${this.#body()}</dialog>`;
  }

  #body() {
    const t = exportText(this.viewer.language);
    const c = common(this.viewer.language);
    const going = this.going !== null;
    return html`<form method="dialog" @submit=${this.#submit}>
      <header><h2 id="title">${t.title}</h2><button type="button" class="plain icon" aria-label=${c.close} @click=${() => this.#dialog.close()}>${icons.close}</button></header>
      ${this.#asked()}
      <fieldset ?disabled=${going}><legend>${t.form}</legend>${FORMS.map((form) => this.#form(form))}</fieldset>
      ${this.form === "csv" ? html`<label class="check"><input type="checkbox" .checked=${this.bom} @change=${(event: Event) => (this.bom = (event.target as HTMLInputElement).checked)} />${t.bom}</label>` : nothing}
      ${this.form === "report" ? nothing : html`<p class="small">${this.form === "bundle" ? nothing : t.whole} ${t.asOf}</p>`}
      <div role="status">${this.says ? html`<div class="says ${this.says.bad ? "bad" : ""}">${this.says.text}</div>` : nothing}</div>
      <footer>
        <button class=${going ? "" : "primary"} ?disabled=${!going && this.#reason(this.form) !== null}>
          ${going || this.form === "report" ? nothing : icons.download}${going ? t.stop : this.form === "report" ? t.make : t.download}
        </button>
      </footer>
    </form>`;
  }

  #asked() {
    const t = exportText(this.viewer.language);
    const { view, language, zone } = this.viewer;
    const conditions = conditionsIn(view, language);
    const count = this.counted === "failed" ? t.notCounted : this.counted === null ? t.counting : this.counted === 0 ? t.nothing : t.expected(this.counted);
    return html`<div class="asked" role="group" aria-label=${t.what} tabindex="0"><strong role="status">${count}</strong>
      <span>${timeIn(view, language, zone)}</span>
      ${conditions.length ? conditions.map((one) => html`<span dir="auto">${one}</span>`) : html`<span>${t.everything}</span>`}
    </div>`;
  }

  #form(form: Form) {
    const t = exportText(this.viewer.language);
    const reason = this.#reason(form);
    if (form === "bundle" && this.viewer.api.token) return nothing;
    return html`<label class="form"><input type="radio" name="form" value=${form} .checked=${this.form === form} ?disabled=${reason !== null} @change=${() => (this.form = form)} />
      <span>${t[form]}</span><span>${reason ?? t[`${form}Help`]}</span></label>`;
  }

  /** Why a form cannot be had; null where it can. */
  #reason(form: Form): string | null {
    const { viewer } = this;
    const all = viewer.session !== null && viewer.session.tenant === null && viewer.view.tenant === null;
    return form === "bundle" && all ? exportText(viewer.language).bundleTenant : null;
  }

  async #count(): Promise<void> {
    this.#counting?.abort();
    const counting = new AbortController();
    this.#counting = counting;
    try {
      this.counted = (await this.viewer.api.json<Summary>("/v1/summary", question(this.viewer.view), { signal: counting.signal })).total;
    } catch {
      if (!counting.signal.aborted) this.counted = "failed";
    }
  }

  readonly #submit = (event: Event) => {
    event.preventDefault();
    // The same button stops it, so that the keyboard stays where it is.
    if (this.going) this.going.abort();
    else void this.#run();
  };

  async #run(): Promise<void> {
    const t = exportText(this.viewer.language);
    const going = new AbortController();
    this.going = going;
    this.says = null;
    try {
      if (this.form === "report") await this.#report(going.signal);
      else await this.#file(this.form, going.signal);
    } catch (error) {
      this.says = { text: going.signal.aborted ? t.stopped : this.#failed(error), bad: true };
      // Who closes the browser's own dialog wants nothing.
      if (!going.signal.aborted && error instanceof DOMException && error.name === "AbortError") this.says = null;
    }
    this.going = null;
  }

  async #report(signal: AbortSignal): Promise<void> {
    const t = exportText(this.viewer.language);
    const report = await readReport(this.viewer, signal, (count) => (this.says = { text: t.making(count), bad: false }));
    this.says = null;
    this.#dialog.close();
    showReport(this.viewer, report);
  }

  async #file(form: Exclude<Form, "report">, signal: AbortSignal): Promise<void> {
    const t = exportText(this.viewer.language);
    const { api, view } = this.viewer;
    const params = question(view);
    const path = form === "bundle" ? "/v1/bundle" : "/v1/export";
    if (form !== "bundle") {
      params.set("format", form);
      params.set("order", view.order);
      if (form === "csv" && this.bom) params.set("bom", "true");
    }
    const name = `annals-${view.tenant ?? this.viewer.session?.tenant ?? "events"}.${form === "bundle" ? "zip" : form}`;
    if (!api.token && !api.base) {
      download(api.url(path, params), name);
      this.says = { text: t.started, bad: false };
      return;
    }
    let bytes = 0;
    await save(api, path, params, name, signal, (count) => {
      bytes = count;
      this.says = { text: t.saving(size(count, this.viewer.language)), bad: false };
    });
    this.says = { text: t.saved(size(bytes, this.viewer.language)), bad: false };
  }

  #failed(error: unknown): string {
    const t = exportText(this.viewer.language);
    if (error instanceof NotWhole) return error.why === "broke" ? t.broke : t.tooLarge(size(HELD_BYTES_MAX, this.viewer.language));
    if (error instanceof ApiError && error.status === 403) return t.notAllowed;
    const { status, message } = asApiError(error);
    const c = common(this.viewer.language);
    return status === 0 ? c.unreachable : `${c.failed}: ${message}`;
  }

  get #dialog(): HTMLDialogElement {
    return this.renderRoot.querySelector("dialog") as HTMLDialogElement;
  }
}

/** A number of bytes for people. */
function size(bytes: number, language: string): string {
  const [n, unit] = bytes < 1024 ** 2 ? [bytes / 1024, "KiB"] : [bytes / 1024 ** 2, "MiB"];
  return `${n.toLocaleString(language, { maximumFractionDigits: 1 })} ${unit}`;
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-export": ExportElement;
  }
}
