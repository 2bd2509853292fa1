// What is drawn again when the theme or the language has changed. It hangs on elements, so that what has left the
// page is forgotten with them.

/** redrawn calls draw whenever the theme or the language has changed while el is in the page; it returns el. */
export function redrawn(el, draw) {
  el.dataset.redrawn = "";
  el.redraw = draw;
  return el;
}

/** redraw draws again all that is in the page. */
export function redraw() {
  for (const el of document.querySelectorAll("[data-redrawn]")) el.redraw();
}
