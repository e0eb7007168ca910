/** Small drawings, 16 by 16, in the colour of the text around them. They say nothing to a screen reader: what they are on does. */

import { type SVGTemplateResult, svg, html, type TemplateResult } from "lit";

const draw = (body: SVGTemplateResult): TemplateResult => html`<svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor"
  stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${body}</svg>`;

export const icons = {
  close: draw(svg`<path d="M4 4l8 8M12 4l-8 8"/>`),
  search: draw(svg`<circle cx="7" cy="7" r="4.2"/><path d="M10.3 10.3L14 14"/>`),
  minus: draw(svg`<path d="M3.5 8h9"/>`),
  clock: draw(svg`<circle cx="8" cy="8" r="5.8"/><path d="M8 4.8V8l2.2 1.6"/>`),
  play: draw(svg`<path d="M5 3.5l7 4.5-7 4.5z"/>`),
  pause: draw(svg`<path d="M5.5 3.5v9M10.5 3.5v9"/>`),
  download: draw(svg`<path d="M8 2.5v8M4.8 7.5L8 10.7l3.2-3.2M3 13.5h10"/>`),
  star: draw(svg`<path d="M8 2.2l1.8 3.7 4 .6-2.9 2.8.7 4L8 11.4l-3.6 1.9.7-4L2.2 6.5l4-.6z"/>`),
  copy: draw(svg`<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5"/>`),
  check: draw(svg`<path d="M3 8.5l3.2 3.2L13 5"/>`),
  warn: draw(svg`<path d="M8 2.5L14.5 13h-13z"/><path d="M8 6.5v3M8 11.4v.1"/>`),
  user: draw(svg`<circle cx="8" cy="5.4" r="2.7"/><path d="M2.8 13.5c.6-2.8 2.6-4 5.2-4s4.6 1.2 5.2 4"/>`),
  target: draw(svg`<circle cx="8" cy="8" r="5.8"/><circle cx="8" cy="8" r="2.2"/>`),
  filter: draw(svg`<path d="M2.5 4h11M4.8 8h6.4M6.8 12h2.4"/>`),
  up: draw(svg`<path d="M8 13V3.5M4 7.3L8 3.3l4 4"/>`),
  down: draw(svg`<path d="M8 3v9.5M4 8.7l4 4 4-4"/>`),
  right: draw(svg`<path d="M6 3.5L10.5 8 6 12.5"/>`),
  left: draw(svg`<path d="M10 3.5L5.5 8 10 12.5"/>`),
  more: draw(svg`<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.4"/>`),
} as const;
