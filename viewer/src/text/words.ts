/** Words for people, in each language that the viewer speaks. Each area of the viewer has its own catalogue beside this file. */

export const LANGUAGES = { en: "English", pt: "Português" } as const;

export type Language = keyof typeof LANGUAGES;

/** Texts, and functions that put a number or a name into one. */
export type Catalogue = Record<string, string | ((...args: never[]) => string)>;

/** What a catalogue in another language must have: the same names, taking the same things. */
type Same<T extends Catalogue> = { [K in keyof T]: T[K] extends (...args: infer A) => string ? (...args: A) => string : string };

/** A catalogue in all languages; the compiler sees that none lacks a text. */
export function words<T extends Catalogue>(catalogue: { en: T; pt: Same<T> }): (language: Language) => Same<T> {
  return (language) => catalogue[language] as Same<T>;
}

/** The language for somebody who prefers these (BCP 47), most preferred first. */
export function languageFor(preferred: readonly string[]): Language {
  for (const one of preferred) {
    const primary = one.toLowerCase().split("-")[0] ?? "";
    if (primary in LANGUAGES) return primary as Language;
  }
  return "en";
}
