/** The page's entry: asks for what its first rows need, and only then has the rest fetched and read. */

import "./first.js";

void import("./app.js");
