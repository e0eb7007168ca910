/** Where one types what one looks for: words, a field and its value, or a filter; with completion over fields and values. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { Summary } from "../../api/types.js";
import { icons } from "../../icons.js";
import { explorer } from "../../text/explorer.js";
import { fieldName } from "../../text/fields.js";
import { base } from "../../theme.js";
import { fieldsLike, readTyped, termOf } from "../../view/complete.js";
import { question, withTerm } from "../../view/view.js";
import { type Viewer, Watch } from "../../viewer.js";

/** Values are asked for when nothing was typed for so long. */
const REST_MS = 140;

/** Values that are offered. */
const VALUES = 8;

interface Option {
  label: string;
  hint: string;
  take: () => void;
}

/** `<annals-search-box .viewer>`. */
@customElement("annals-search-box")
export class SearchBoxElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @state() private text = "";
  @state() private open = false;
  @state() private active = -1;
  /** Values of the field that is typed, for the text they were asked for. */
  @state() private values: { path: string; text: string; found: { value: string; count: number }[] } | null = null;
  protected readonly watch = new Watch(this);
  #resting: ReturnType<typeof setTimeout> | undefined;
  #asking: AbortController | null = null;

  static override styles = [
    base,
    css`
      :host { display: block; position: relative; flex: 1; min-width: min(260px, 100%); }
      .box { display: flex; align-items: center; gap: 6px; border: 1px solid var(--line-strong); border-radius: var(--radius); padding: 0 8px; background: var(--ground); }
      .box:focus-within { outline: 2px solid var(--accent); outline-offset: 1px; }
      input { flex: 1; min-width: 0; border: 0 !important; outline: 0 !important; min-height: 32px !important; background: none !important; padding: 0 !important; }
      input::-webkit-search-cancel-button { display: none; }
      kbd { font: 11px var(--mono); color: var(--text-2); border: 1px solid var(--line); border-radius: 4px; padding: 0 5px; }
      ul {
        position: absolute; z-index: 20; inset-inline: 0; top: calc(100% + 4px); margin: 0; padding: 4px; list-style: none; max-height: 60vh; overflow: auto;
        border: 1px solid var(--line); border-radius: var(--radius); background: var(--ground); box-shadow: var(--shadow);
      }
      li { display: flex; gap: 10px; padding: 6px 8px; border-radius: 4px; cursor: pointer; }
      li[aria-selected="true"] { background: var(--accent-ground); }
      li .hint { margin-inline-start: auto; color: var(--text-2); font-size: 12px; white-space: nowrap; }
      @media (max-width: 620px) { kbd { display: none; } }
    `,
  ];

  override focus(): void {
    this.#input?.focus();
  }

  /** Puts a text there to be edited. */
  edit(text: string): void {
    this.text = text;
    this.focus();
  }

  override render() {
    const t = explorer(this.viewer.language);
    const options = this.open ? this.#options() : [];
    return html`<div class="box">
        ${icons.search}
        <input type="search" role="combobox" aria-label=${t.searchLabel} aria-expanded=${options.length > 0} aria-controls="options" aria-autocomplete="list" autocomplete="off" spellcheck="false"
          aria-activedescendant=${this.active >= 0 ? `option-${this.active}` : nothing} placeholder=${this.viewer.can.words ? t.searchHint : t.searchHintFields} .value=${this.text}
          @input=${this.#typed} @keydown=${this.#key} @focus=${() => (this.open = true)} @blur=${() => (this.open = false)} />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <ul id="options" role="listbox" aria-label=${t.completions} ?hidden=${options.length === 0}>
        ${options.map((option, index) => html`<li id=${`option-${index}`} role="option" aria-selected=${index === this.active}
          @pointerdown=${(event: Event) => {
            event.preventDefault();
            option.take();
          }}><span class="cut" dir="auto">${option.label}</span><span class="hint">${option.hint}</span></li>`)}
      </ul>`;
  }

  get #input(): HTMLInputElement {
    return this.renderRoot.querySelector("input") as HTMLInputElement;
  }

  #options(): Option[] {
    const t = explorer(this.viewer.language);
    const { language } = this.viewer;
    const typed = readTyped(this.text);
    if (typed.kind === "filter") return [{ label: typed.text, hint: t.useFilter, take: () => this.#filter(typed.text) }];
    if (typed.kind === "value") {
      const known = this.values?.path === typed.path ? this.values.found : [];
      return known.map(({ value, count }) => ({
        label: this.viewer.nameOf(typed.path, value) ? `${this.viewer.nameOf(typed.path, value)} · ${value}` : value,
        hint: count.toLocaleString(language),
        take: () => this.#term(typed.path, typed.not, value),
      }));
    }
    const not = typed.text.startsWith("-");
    const fields = fieldsLike(typed.text, (path) => fieldName(path, language), (path) => this.viewer.hides(path)).map((path) => ({
      label: `${not ? "-" : ""}${path}:`,
      hint: fieldName(path, language),
      take: () => this.#write(`${not ? "-" : ""}${path}:`),
    }));
    if (!typed.text || !this.viewer.can.words) return fields;
    return [...fields.slice(0, 6), { label: t.searchWords(typed.text), hint: "", take: () => this.#words(typed.text) }];
  }

  #typed = (event: Event) => {
    this.#write((event.target as HTMLInputElement).value);
  };

  #write(text: string): void {
    this.text = text;
    this.active = -1;
    this.open = true;
    this.focus();
    clearTimeout(this.#resting);
    const typed = readTyped(text);
    if (typed.kind === "value" && !this.viewer.hides(typed.path)) this.#resting = setTimeout(() => void this.#ask(typed.path, typed.text), REST_MS);
  }

  async #ask(path: string, text: string): Promise<void> {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const params = question({ ...this.viewer.view, terms: this.viewer.view.terms.filter((term) => term.path !== path) });
    params.set("by", path);
    params.set("limit", String(text ? 200 : VALUES));
    if (text) params.set("filter", [params.get("filter"), `${path} ico ${JSON.stringify(text)}`].filter(Boolean).join(" and "));
    const named = path === "actor.id" && text ? await this.#byName(text, this.#asking.signal) : [];
    try {
      const summary = await this.viewer.api.json<Summary>("/v1/summary", params, { signal: this.#asking.signal });
      const counts = summary.counts?.[path]?.values ?? [];
      // An event with several targets counts under all of them, also under those that are not meant.
      const like = counts.filter((one) => String(one.value).toLowerCase().includes(text.toLowerCase()));
      const found = [...named, ...like.map((one) => ({ value: String(one.value), count: one.count }))];
      const once = found.filter((one, index) => found.findIndex((other) => other.value === one.value) === index);
      this.values = { path, text, found: once.slice(0, VALUES) };
    } catch {
      this.values = { path, text, found: named };
    }
  }

  /** Actors whose name or address holds the text: people know those. */
  async #byName(text: string, signal: AbortSignal): Promise<{ value: string; count: number }[]> {
    const told = ["actor.name", "actor.email"].filter((path) => !this.viewer.hides(path));
    if (!told.length) return [];
    const params = question({ ...this.viewer.view, terms: [], q: "", filter: told.map((path) => `${path} ico ${JSON.stringify(text)}`).join(" or ") });
    params.set("by", "actor.id");
    params.set("limit", String(VALUES));
    const events = new URLSearchParams(params);
    events.delete("by");
    try {
      const [summary, page] = await Promise.all([
        this.viewer.api.json<Summary>("/v1/summary", params, { signal }),
        this.viewer.api.json<{ events: [] }>("/v1/events", events, { signal }),
      ]);
      this.viewer.learn(page.events);
      return (summary.counts?.["actor.id"]?.values ?? []).map((one) => ({ value: String(one.value), count: one.count }));
    } catch {
      return [];
    }
  }

  #key = (event: KeyboardEvent) => {
    const options = this.#options();
    event.stopPropagation();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      this.open = true;
      this.active = (this.active + step + options.length + (this.active < 0 && step < 0 ? 1 : 0)) % options.length;
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = options[this.active];
      if (option && this.open) option.take();
      else this.#commit();
    } else if (event.key === "Tab" && this.active >= 0 && this.open) {
      event.preventDefault();
      options[this.active]?.take();
    } else if (event.key === "Escape") {
      if (this.open && this.text) this.open = false;
      else this.#input.blur();
    }
  };

  #commit(): void {
    const typed = readTyped(this.text);
    if (typed.kind === "value" && typed.text) this.#term(typed.path, typed.not, typed.text);
    else if (typed.kind === "filter") this.#filter(typed.text);
    else if (typed.kind === "text" && typed.text && this.viewer.can.words) this.#words(typed.text);
  }

  #term(path: string, not: boolean, text: string): void {
    this.#done({ terms: withTerm(this.viewer.view.terms, termOf({ path, not, text })) });
  }

  #filter(filter: string): void {
    this.#done({ filter });
  }

  #words(q: string): void {
    this.#done({ q });
  }

  #done(part: Parameters<Viewer["patch"]>[0]): void {
    this.text = "";
    this.active = -1;
    this.values = null;
    this.open = false;
    this.viewer.patch({ ...part, event: null });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-search-box": SearchBoxElement;
  }
}
