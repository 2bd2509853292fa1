// Light and dark: as the system says, or as the reader chose.
const listeners = new Set();
const system = matchMedia("(prefers-color-scheme: dark)");

/** theme is what is shown: light or dark. */
export const theme = () => document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");

/** setTheme changes the theme, and remembers it. */
export function setTheme(to) {
  document.documentElement.dataset.theme = to;
  try { localStorage.setItem("flowmatch.theme", to); } catch { /* a browser that remembers nothing */ }
  for (const fn of listeners) fn();
}

/** onTheme calls fn whenever the theme has changed. */
export const onTheme = (fn) => listeners.add(fn);

system.addEventListener("change", () => {
  if (!document.documentElement.dataset.theme) for (const fn of listeners) fn();
});
