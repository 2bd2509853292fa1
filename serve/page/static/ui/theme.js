// Light and dark: as the system says, or as the reader chose.
import { redraw } from "./redraw.js";

const listeners = new Set();
const system = matchMedia("(prefers-color-scheme: dark)");

/** theme is what is shown: light or dark. */
export const theme = () => document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");

/** setTheme changes the theme, and remembers it. */
export function setTheme(to) {
  document.documentElement.dataset.theme = to;
  try { localStorage.setItem("flowmatch.theme", to); } catch { /* a browser that remembers nothing */ }
  changed();
}

function changed() {
  for (const fn of listeners) fn();
  redraw();
}

/** onTheme calls fn whenever the theme has changed, for ever: what may leave the page is redrawn (redraw.js). */
export const onTheme = (fn) => listeners.add(fn);

system.addEventListener("change", () => {
  if (!document.documentElement.dataset.theme) changed();
});
