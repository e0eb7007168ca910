/** Colours, type and spacing. Root elements set them; everything inside inherits. Products set the `--annals-…` ones. */

import { css } from "lit";

/**
 * For root elements. All pairs of text and ground used below have a contrast of at least 4.5 in both schemes; lines that carry
 * meaning at least 3.
 */
export const theme = css`
  :host {
    --accent: var(--annals-accent, light-dark(#3b5bdb, #8da4ff));
    --on-accent: light-dark(#ffffff, #10131c);
    --accent-ground: color-mix(in srgb, var(--accent) 12%, var(--ground));
    --ground: var(--annals-surface, light-dark(#ffffff, #101216));
    --ground-2: color-mix(in srgb, var(--text) 3.5%, var(--ground));
    --ground-3: color-mix(in srgb, var(--text) 7%, var(--ground));
    --text: var(--annals-text, light-dark(#1a1d24, #e8eaf0));
    --text-2: color-mix(in srgb, var(--text) 74%, var(--ground));
    --line: var(--annals-border, color-mix(in srgb, var(--text) 13%, var(--ground)));
    --line-strong: color-mix(in srgb, var(--text) 48%, var(--ground));
    --good: light-dark(#14713f, #5fd39a);
    --bad: light-dark(#b42318, #ff8f85);
    --warn: light-dark(#8a5300, #f2bd5c);
    --good-ground: color-mix(in srgb, var(--good) 11%, var(--ground));
    --bad-ground: color-mix(in srgb, var(--bad) 11%, var(--ground));
    --warn-ground: color-mix(in srgb, var(--warn) 12%, var(--ground));
    --radius: var(--annals-radius, 6px);
    --font: var(--annals-font, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);
    --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
    --shadow: 0 6px 24px light-dark(rgb(20 24 40 / 16%), rgb(0 0 0 / 60%));
    color-scheme: light dark;
    display: block;
    background: var(--ground);
    color: var(--text);
    font: 14px/1.45 var(--font);
    accent-color: var(--accent);
    -webkit-text-size-adjust: 100%;
  }
  :host([scheme="light"]) { color-scheme: light; }
  :host([scheme="dark"]) { color-scheme: dark; }
`;

/** For every element: what controls look like, and texts that only screen readers have. */
export const base = css`
  :host { box-sizing: border-box; }
  *, *::before, *::after { box-sizing: border-box; }
  [hidden] { display: none !important; }
  button, input, select, textarea { font: inherit; color: inherit; }
  button {
    display: inline-flex; align-items: center; gap: 6px; min-height: 30px; padding: 3px 10px; cursor: pointer;
    border: 1px solid var(--line); border-radius: var(--radius); background: var(--ground); color: var(--text); text-align: start;
  }
  button:hover:not(:disabled) { background: var(--ground-3); }
  button:disabled { opacity: 0.55; cursor: default; }
  button.plain { border-color: transparent; background: transparent; }
  button.plain:hover:not(:disabled) { background: var(--ground-3); }
  button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
  button.primary:hover:not(:disabled) { background: color-mix(in srgb, var(--accent) 88%, var(--text)); }
  button[aria-pressed="true"], button[aria-selected="true"] { background: var(--accent-ground); border-color: var(--accent); color: var(--text); }
  button.icon { min-width: 30px; padding: 3px; justify-content: center; }
  input:not([type]), input[type="text"], input[type="search"], input[type="datetime-local"], input[type="password"], select {
    min-height: 30px; padding: 3px 8px; border: 1px solid var(--line-strong); border-radius: var(--radius); background: var(--ground);
  }
  a { color: var(--accent); text-underline-offset: 2px; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
  h1, h2, h3 { margin: 0; font-size: inherit; font-weight: 600; }
  .quiet { color: var(--text-2); }
  .mono { font-family: var(--mono); font-size: 0.93em; }
  .cut { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  @media (pointer: coarse) { button, input, select { min-height: 36px; } button.icon { min-width: 36px; } }
  @media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
`;

/** For elements with values of events that can be used: buttons that read as the text around them. */
export const usable = css`
  .value {
    display: inline-block; min-height: 0; max-width: 100%; padding: 0 3px; border: 0; border-radius: 4px; background: none;
    overflow: hidden; text-overflow: ellipsis; white-space: inherit; overflow-wrap: anywhere; font: inherit; color: inherit;
  }
  .value:hover { background: var(--ground-3); }
`;
