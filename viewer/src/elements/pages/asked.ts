/** Something asked of the server for an element, and what became of it. */

import { type ReactiveController, type ReactiveControllerHost, html, nothing } from "lit";
import type { ApiError } from "../../api/client.js";
import { asApiError } from "../../explorer/finder.js";
import { common } from "../../text/common.js";
import type { Language } from "../../text/words.js";

/** Asks once for each key; a new key ends the question before. */
export class Asked<T> implements ReactiveController {
  value: T | null = null;
  error: ApiError | null = null;
  loading = false;
  #key: string | null = null;
  #run: ((signal: AbortSignal) => Promise<T>) | null = null;
  #asking: AbortController | null = null;

  constructor(private readonly host: ReactiveControllerHost) {
    host.addController(this);
  }

  hostDisconnected(): void {
    this.#asking?.abort();
    this.#key = null;
  }

  /** Asks, unless this was asked already. What a changed key left is forgotten, but kept while the same is asked again. */
  ask(key: string, run: (signal: AbortSignal) => Promise<T>): void {
    if (key === this.#key) return;
    this.#key = key;
    this.#run = run;
    this.value = null;
    this.again();
  }

  again(): void {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.loading = true;
    this.error = null;
    this.#run?.(asking.signal).then(
      (value) => this.#came(asking, () => (this.value = value)),
      (error: unknown) => this.#came(asking, () => (this.error = asApiError(error))),
    );
  }

  #came(asking: AbortController, take: () => void): void {
    if (asking.signal.aborted) return;
    this.loading = false;
    take();
    this.host.requestUpdate();
  }
}

/** What went wrong and what can be done, as a box with a button to try again. */
export function failure(error: ApiError, language: Language, again: () => void) {
  const c = common(language);
  const [title, help] =
    error.status === 0 ? [c.unreachable, ""]
    : error.status === 403 ? [c.noPermission, c.noPermissionHelp]
    : error.code === "busy" ? [c.tooSlow, c.tooSlowHelp]
    : [c.failed, error.message];
  return html`<div class="trouble" role="alert">
    <strong>${title}</strong>
    ${help ? html`<span>${help}</span>` : nothing}
    ${error.problem.request_id ? html`<span class="mono quiet">${c.requestId(error.problem.request_id)}</span>` : nothing}
    <button @click=${again}>${c.retry}</button>
  </div>`;
}
