/** Tells an element once that somebody sees it. */

import type { ReactiveController, ReactiveControllerHost } from "lit";

export class Seen implements ReactiveController {
  #observer: IntersectionObserver | null = null;

  constructor(
    private readonly host: ReactiveControllerHost & Element,
    private readonly run: () => void,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.again();
  }

  hostDisconnected(): void {
    this.#observer?.disconnect();
  }

  /** Tells it once more: what it shows is something else now. */
  again(): void {
    this.#observer?.disconnect();
    this.#observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.#observer?.disconnect();
      this.run();
    });
    this.#observer.observe(this.host);
  }
}
