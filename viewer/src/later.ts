/** What the first rows do not need: fetched once the page stands and the browser has nothing else to do, or when it is asked for. */

/** Longest wait for the browser to have nothing else to do, ms. */
const IDLE_MS_MAX = 1_500;

/** Fetches these, one after the other, when there is time; what cannot be fetched then is asked for again when it is needed. */
export function later(parts: readonly (() => Promise<unknown>)[]): void {
  const run = async () => {
    for (const part of parts) await part().catch(() => {});
  };
  if ("requestIdleCallback" in globalThis) requestIdleCallback(() => void run(), { timeout: IDLE_MS_MAX });
  else setTimeout(() => void run(), IDLE_MS_MAX / 3);
}
