// Light and dark: as the system says, or as the reader chose.
import { redraw } from "./redraw.js";

const listeners = new Set();
const system = matchMedia("(prefers-color-scheme: dark)");
const set = document.documentElement.dataset; // by boot.js: theme, and chosen where it is the reader's choice

/** theme is what is shown: light or dark. */
export const theme = () => set.theme;

/** setTheme changes the theme, and remembers it. */
export function setTheme(to) {
  [set.theme, set.chosen] = [to, ""];
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
  if ("chosen" in set) return;
  set.theme = system.matches ? "dark" : "light";
  changed();
});
