/** What this browser remembers from visit to visit; nothing where it may not. */

/** When the session ends that was seen last, empty where nobody is signed in: it decides what is asked early, never what may be seen. */
export const SIGNED_IN_UNTIL = "signed-in-until";

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`annals.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`annals.${name}`, value);
  } catch {
    // It is asked again next time.
  }
}
