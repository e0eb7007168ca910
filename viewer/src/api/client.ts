/** Asks the native API: with the session's cookie where the page is annals' own, with a token where a product embeds it. */

import type { Problem } from "./types.js";

/** What the server refused, or that it could not be reached. */
export class ApiError extends Error {
  constructor(
    /** 0 where there was no answer. */
    readonly status: number,
    readonly problem: Problem,
    /** Seconds after which asking again makes sense. */
    readonly retryAfter: number | null,
  ) {
    super(problem.detail ?? problem.title ?? problem.code);
  }

  get code(): string {
    return this.problem.code;
  }
}

/** Parameters of a request: a name may have several values, and one without a value is left out. */
export type Params = URLSearchParams | Record<string, string | number | boolean | string[] | null | undefined>;

export interface Asking {
  method?: string;
  signal?: AbortSignal;
  body?: unknown;
  headers?: Record<string, string>;
}

/** One server, and how it knows who asks. */
export class Api {
  /** A viewer token; without one the browser shows the session's cookie. */
  token: string | null = null;
  /** Called when the server says that whoever asks is not signed in any more. */
  onSignedOut: () => void = () => {};

  constructor(
    /** Origin of the server; empty for the page's own. */
    readonly base: string = "",
  ) {}

  /** The address of a route with its parameters. */
  url(path: string, params: Params = {}): string {
    const query = params instanceof URLSearchParams ? params : search(params);
    const text = query.toString();
    return `${this.base}${path}${text ? `?${text}` : ""}`;
  }

  /**
   * The JSON that a route answers.
   *
   * Throws an `ApiError`; where `signal` ended it, the browser's own `AbortError`.
   */
  async json<T>(path: string, params: Params = {}, asking: Asking = {}): Promise<T> {
    const answer = await this.fetch(path, params, asking);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }

  /** The text that a route answers. */
  async text(path: string, params: Params = {}, asking: Asking = {}): Promise<string> {
    return (await this.fetch(path, params, { ...asking, headers: { accept: "text/plain, */*", ...asking.headers } })).text();
  }

  /** The answer itself, once it is known to be no error. */
  async fetch(path: string, params: Params = {}, asking: Asking = {}): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json", ...asking.headers };
    if (this.token) headers["authorization"] = `Bearer ${this.token}`;
    if (asking.body !== undefined) headers["content-type"] = "application/json";
    let answer: Response;
    try {
      answer = await fetch(this.url(path, params), {
        method: asking.method ?? "GET",
        headers,
        body: asking.body === undefined ? null : JSON.stringify(asking.body),
        credentials: this.token || this.base ? "omit" : "same-origin",
        signal: asking.signal ?? null,
        cache: "no-store",
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ApiError(0, { code: "unreachable", detail: String(error) }, null);
    }
    if (answer.ok) return answer;
    const failed = await failure(answer);
    if (failed.status === 401) this.onSignedOut();
    throw failed;
  }
}

async function failure(answer: Response): Promise<ApiError> {
  const retry = Number(answer.headers.get("retry-after"));
  let problem: Problem;
  try {
    problem = (await answer.json()) as Problem;
  } catch {
    problem = { code: `http_${answer.status}`, detail: answer.statusText };
  }
  return new ApiError(answer.status, problem, Number.isFinite(retry) && retry > 0 ? retry : null);
}

/** The parameters as a query. */
export function search(params: Exclude<Params, URLSearchParams>): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  return query;
}
