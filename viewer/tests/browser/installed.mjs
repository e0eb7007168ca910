// Where the browser is.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Where the installed browser is. */
export function installed() {
  const named = process.env["ANNALS_TESTS_BROWSER"];
  for (const name of named ? [named] : NAMES) {
    for (const folder of ["", ...(process.env["PATH"] ?? "").split(delimiter)]) {
      const file = join(folder, name);
      if (!file.includes("/")) continue;
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // It may be in the next folder.
      }
    }
  }
  throw new Error("there is no Chromium");
}
