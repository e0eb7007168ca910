/** What the page asks for while most of its script is still on its way: who is signed in, and the first rows of what the address names. */

import { Api } from "./api/client.js";
import type { Session } from "./api/types.js";
import { ask } from "./explorer/asked.js";
import { parseView } from "./view/view.js";

export const api = new Api();

export const session = api.json<Session>("/v1/session");

const view = parseView(location.pathname, new URLSearchParams(location.search));

/** The list's first rows; null on other pages, and on the access log, which is one tenant's and may have to wait for its choice. */
export const opening = view.page === "events" && !location.pathname.endsWith("/sign-in") ? ask(api, view) : null;

// Whoever takes them hears of it.
for (const asked of [session, opening?.first]) asked?.catch(() => {});
