/** One name may be several things: with a key for all tenants, whose is meant has to be said. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Summary } from "../../api/types.js";
import { common } from "../../text/common.js";
import { pagesText } from "../../text/pages.js";
import { base } from "../../theme.js";
import { type Viewer, Watch } from "../../viewer.js";
import { Asked, failure } from "./asked.js";
import { layout } from "./layout.js";

/** Tenants that are offered. */
const TENANTS_MAX = 50;

/** Whether a page needs to know whose its subject is. */
export function isOfAllTenants(viewer: Viewer): boolean {
  return viewer.view.tenant === null && viewer.session?.tenant === null;
}

/** `<annals-which-tenant .viewer .params>`: the tenants with events that `params` finds. Goes on by itself where there is one. */
@customElement("annals-which-tenant")
export class WhichTenantElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) params = new URLSearchParams();
  protected readonly watch = new Watch(this);
  readonly #tenants = new Asked<{ tenant: string; count: number }[]>(this);

  static override styles = [
    base,
    layout,
    css`
      :host { display: block; height: auto; }
      ul { list-style: none; padding: 0; margin: 10px 0 0; display: grid; gap: 6px; max-width: 420px; }
      li button { width: 100%; justify-content: space-between; min-height: 38px; }
    `,
  ];

  protected override willUpdate(): void {
    this.#tenants.ask(this.params.toString(), async (signal) => {
      const params = new URLSearchParams([...this.params, ["by", "tenant"], ["limit", String(TENANTS_MAX)]]);
      const { counts } = await this.viewer.api.json<Summary>("/v1/summary", params, { signal });
      const found = (counts?.["tenant"]?.values ?? []).map(({ value, count }) => ({ tenant: String(value), count }));
      if (found.length === 1 && found[0]) this.viewer.patch({ tenant: found[0].tenant }, true);
      return found;
    });
  }

  override render() {
    const t = pagesText(this.viewer.language);
    if (this.#tenants.error) return failure(this.#tenants.error, this.viewer.language, () => this.#tenants.again());
    const found = this.#tenants.value;
    if (!found) return html`<p role="status" class="quiet">${common(this.viewer.language).loading}</p>`;
    if (found.length === 1) return nothing;
    if (found.length === 0) return html`<div class="empty"><strong>${this.viewer.view.page === "actor" ? t.noActor : t.noTarget}</strong><span>${t.noneHelp}</span></div>`;
    return html`<h2>${t.whichTenant}</h2><ul>${found.map(({ tenant, count }) => html`<li><button @click=${() => this.viewer.patch({ tenant })}>
      <span>${tenant}</span><span class="quiet">${common(this.viewer.language).events(count)}</span></button></li>`)}</ul>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-which-tenant": WhichTenantElement;
  }
}
