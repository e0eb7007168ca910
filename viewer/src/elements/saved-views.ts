/** Views that were kept under a name: open, save, rename, delete. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { ApiError } from "../api/client.js";
import { asApiError } from "../explorer/finder.js";
import { icons } from "../icons.js";
import { common } from "../text/common.js";
import { sessionText } from "../text/session.js";
import { base } from "../theme.js";
import { type View, formatQuery, parseView } from "../view/view.js";
import { type Viewer, Watch } from "../viewer.js";
import { failure } from "./pages/asked.js";

/** Longest name of a view, bytes, as the server counts them. */
const NAME_BYTES_MAX = 64;

/** One of `GET /v1/views`. */
interface Saved {
  name: string;
  query: string;
  shared: boolean;
  /** Whether it is the asker's own, to be replaced and deleted. */
  own: boolean;
  /** Who saved it. */
  by: string;
}

/** `<annals-views .viewer>`: a button, and the views behind it. */
@customElement("annals-views")
export class SavedViewsElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @state() private open = false;
  @state() private views: Saved[] | null = null;
  @state() private error: ApiError | null = null;
  @state() private says = "";
  @state() private name = "";
  /** The view that is being renamed or deleted. */
  @state() private asked: { kind: "rename" | "delete"; view: Saved } | null = null;
  @state() private busy = false;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      :host { display: inline-flex; }
      [popover] {
        position: fixed; inset: auto; margin: 0; padding: 12px; width: min(380px, 96vw); max-height: 86vh; overflow: auto; border: 1px solid var(--line); border-radius: var(--radius);
        background: var(--ground); color: var(--text); box-shadow: var(--shadow); font: 14px/1.4 var(--font);
      }
      h2 { font-size: 14px; margin-bottom: 6px; }
      ul { list-style: none; margin: 0 -6px; padding: 0; }
      li { display: flex; align-items: center; gap: 2px; border-radius: var(--radius); }
      li:hover { background: var(--ground-2); }
      .go { flex: 1; min-width: 0; border: 0; background: none; padding-inline: 6px; }
      .go .cut { min-width: 0; }
      .mark { flex: none; font-size: 12px; padding: 0 7px; border-radius: 99px; background: var(--ground-3); color: var(--text-2); }
      .here { color: var(--accent); display: inline-flex; }
      form { display: grid; gap: 8px; margin-top: 12px; padding-top: 12px; border-top: 1px solid var(--line); }
      form.inline { display: flex; flex-wrap: wrap; gap: 6px; margin: 0; padding: 6px; border: 0; width: 100%; align-items: center; background: var(--ground-2); border-radius: var(--radius); }
      form.inline input { flex: 1; min-width: 120px; }
      .line { display: flex; gap: 6px; } .line input { flex: 1; min-width: 0; }
      .check { display: flex; gap: 8px; align-items: center; font-size: 13px; } .check input { min-height: 0; margin: 0; }
      .small { font-size: 13px; color: var(--text-2); }
      .danger { border-color: var(--bad); color: var(--bad); }
      .trouble { display: grid; justify-items: start; gap: 6px; padding: 10px; border-radius: var(--radius); background: var(--bad-ground); overflow-wrap: anywhere; }
      .says { font-size: 13px; color: var(--good); overflow-wrap: anywhere; }
    `,
  ];

  override render() {
    const t = sessionText(this.viewer.language);
    return html`<button aria-haspopup="dialog" aria-expanded=${this.open} @click=${this.#toggle}>${icons.star}${t.views}</button>
      <div popover role="dialog" aria-label=${t.savedViews} @toggle=${(event: ToggleEvent) => (this.open = event.newState === "open")} @keydown=${this.#key}>
        ${this.open ? html`<h2>${t.savedViews}</h2>${this.#list()}<div class="says" role="status">${this.says}</div>${this.#saving()}` : nothing}
      </div>`;
  }

  #list() {
    const t = sessionText(this.viewer.language);
    if (this.error) return failure(this.error, this.viewer.language, () => void this.#read());
    if (!this.views) return html`<p class="small" role="status">${common(this.viewer.language).loading}</p>`;
    if (!this.views.length) return html`<p class="small">${t.noViews}</p>`;
    return html`<ul>${this.views.map((view) => html`<li>${this.asked?.view === view ? this.#asking() : this.#view(view)}</li>`)}</ul>`;
  }

  #view(view: Saved) {
    const t = sessionText(this.viewer.language);
    const { own } = view;
    const here = view.query === this.#query;
    return html`<button class="go" aria-label=${t.openView(view.name)} aria-current=${here ? "true" : nothing} @click=${() => this.#go(view)}>
        <span class="cut" dir="auto">${view.name}</span>
        ${view.shared ? html`<span class="mark">${own ? t.sharedMark : t.sharedBy(view.by)}</span>` : nothing}
        ${here ? html`<span class="here" title=${t.current}>${icons.check}</span>` : nothing}
      </button>
      ${own
        ? html`<button class="plain icon" aria-label=${t.rename(view.name)} title=${t.rename(view.name)} @click=${() => this.#ask("rename", view)}>${icons.more}</button>
            <button class="plain icon" aria-label=${t.remove(view.name)} title=${t.remove(view.name)} @click=${() => this.#ask("delete", view)}>${icons.close}</button>`
        : nothing}`;
  }

  #asking() {
    const t = sessionText(this.viewer.language);
    const c = common(this.viewer.language);
    const { kind, view } = this.asked as { kind: string; view: Saved };
    const cancel = html`<button type="button" @click=${() => this.#ask(null)}>${c.cancel}</button>`;
    if (kind === "rename") {
      return html`<form class="inline" @submit=${this.#rename}><input name="name" aria-label=${t.newName} .value=${view.name} @input=${this.#named} required dir="auto" />
        <button class="primary" ?disabled=${this.busy}>${t.saveButton}</button>${cancel}</form>`;
    }
    return html`<form class="inline" @submit=${this.#remove}><span dir="auto">${t.removeSure(view.name)}</span><button class="danger" ?disabled=${this.busy}>${t.removeYes}</button>${cancel}</form>`;
  }

  #saving() {
    const t = sessionText(this.viewer.language);
    const name = this.name.trim();
    const replaced = this.views?.find((view) => view.name === name && view.own);
    return html`<form @submit=${this.#save}>
      <label for="name" class="small">${t.save}</label>
      <div class="line"><input id="name" name="name" placeholder=${t.name} required dir="auto" .value=${this.name} @input=${(event: Event) => (this.name = this.#named(event))} />
        <button class="primary" ?disabled=${this.busy || name === ""}>${t.saveButton}</button></div>
      <label class="check"><input type="checkbox" name="shared" ?checked=${replaced?.shared ?? false} />${t.shared}</label>
      ${replaced ? html`<span class="small">${t.replace(name)}</span>` : nothing}
    </form>`;
  }

  /** The name in a field, which says so where it is too long. */
  readonly #named = (event: Event): string => {
    const input = event.target as HTMLInputElement;
    const bytes = new TextEncoder().encode(input.value.trim()).length;
    const says = sessionText(this.viewer.language).nameLong(bytes, NAME_BYTES_MAX);
    input.setCustomValidity(bytes > NAME_BYTES_MAX ? says : "");
    return input.value;
  };

  /** What is shown, as it is kept: whatever event is open, and without what came by itself. */
  get #query(): string {
    const view: View = { ...this.viewer.view, event: null, live: false };
    const query = formatQuery(view);
    return view.page === "events" ? query : `page=${view.page}${query ? `&${query}` : ""}`;
  }

  #go(saved: Saved): void {
    const params = new URLSearchParams(saved.query);
    const view = parseView(`/${params.get("page") ?? ""}`, params);
    this.#popover.hidePopover();
    this.viewer.go(view);
  }

  async #read(): Promise<void> {
    this.error = null;
    try {
      this.views = (await this.viewer.api.json<{ views: Saved[] }>("/v1/views", this.#tenant)).views;
    } catch (error) {
      this.error = asApiError(error);
    }
  }

  get #tenant(): Record<string, string> {
    return this.viewer.view.tenant === null ? {} : { tenant: this.viewer.view.tenant };
  }

  readonly #save = (event: Event) => {
    event.preventDefault();
    const name = this.name.trim();
    const shared = new FormData(event.target as HTMLFormElement).get("shared") !== null;
    void this.#change(sessionText(this.viewer.language).saved(name), async () => {
      await this.#put({ name, query: this.#query, shared });
      this.name = "";
    });
  };

  readonly #rename = (event: Event) => {
    event.preventDefault();
    const view = this.asked?.view;
    const name = String(new FormData(event.target as HTMLFormElement).get("name")).trim();
    if (!view || name === "") return;
    void this.#change(sessionText(this.viewer.language).renamed(name), async () => {
      if (name === view.name) return;
      await this.#put({ ...view, name });
      await this.#delete(view.name);
    });
  };

  readonly #remove = (event: Event) => {
    event.preventDefault();
    const view = this.asked?.view;
    if (view) void this.#change(sessionText(this.viewer.language).removed(view.name), () => this.#delete(view.name));
  };

  #put({ name, query, shared }: Pick<Saved, "name" | "query" | "shared">): Promise<unknown> {
    return this.viewer.api.json(`/v1/views/${encodeURIComponent(name)}`, this.#tenant, { method: "PUT", body: { query, shared } });
  }

  #delete(name: string): Promise<unknown> {
    return this.viewer.api.json(`/v1/views/${encodeURIComponent(name)}`, this.#tenant, { method: "DELETE" });
  }

  async #change(says: string, run: () => Promise<unknown>): Promise<void> {
    this.busy = true;
    this.says = "";
    this.error = null;
    try {
      await run();
      this.asked = null;
      this.says = says;
      await this.#read();
    } catch (error) {
      this.error = asApiError(error);
    }
    this.busy = false;
    // What had the keyboard may be gone.
    await this.updateComplete;
    if (!this.shadowRoot?.activeElement) this.renderRoot.querySelector<HTMLElement>(".go, #name")?.focus();
  }

  #ask(kind: null): void;
  #ask(kind: "rename" | "delete", view: Saved): void;
  async #ask(kind: "rename" | "delete" | null, view?: Saved): Promise<void> {
    this.says = "";
    this.asked = kind && view ? { kind, view } : null;
    await this.updateComplete;
    const form = this.renderRoot.querySelector<HTMLElement>("form.inline");
    (form?.querySelector<HTMLElement>("input, .danger") ?? this.renderRoot.querySelector<HTMLElement>(".go"))?.focus();
  }

  get #popover(): HTMLElement {
    return this.renderRoot.querySelector("[popover]") as HTMLElement;
  }

  readonly #toggle = async () => {
    if (this.open) return this.#popover.hidePopover();
    this.open = true;
    this.says = "";
    this.asked = null;
    const reading = this.#read();
    await this.updateComplete;
    const menu = this.#popover;
    menu.showPopover();
    const at = this.getBoundingClientRect();
    menu.style.left = `${Math.max(4, Math.min(at.left, innerWidth - menu.offsetWidth - 4))}px`;
    menu.style.top = `${at.bottom + 4}px`;
    menu.style.maxHeight = `${innerHeight - at.bottom - 12}px`;
    await reading;
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".go, #name")?.focus();
  };

  readonly #key = (event: KeyboardEvent) => {
    // Keys of the page are none here.
    event.stopPropagation();
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (this.asked) return this.#ask(null);
    this.#popover.hidePopover();
    this.renderRoot.querySelector<HTMLElement>("button")?.focus();
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-views": SavedViewsElement;
  }
}
