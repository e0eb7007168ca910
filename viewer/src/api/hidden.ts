/** What a token hides cannot be asked about either. */

import { ApiError } from "./client.js";

/** The code with which the server refuses what would tell of something that a token hides. */
export const HIDDEN = "field_hidden";

/** What was asked, or something else where that would tell of what is hidden from whoever looks. */
export async function unlessHidden<T, U>(asked: Promise<T>, otherwise: () => U | Promise<U>): Promise<T | U> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.code === HIDDEN) return otherwise();
    throw error;
  }
}
