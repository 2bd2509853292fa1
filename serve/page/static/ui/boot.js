// A classic script, run before the first paint, so that a page does not flash in another theme.
(() => {
  const read = (key) => {
    try { return localStorage.getItem(key); } catch { return null; }
  };
  const set = document.documentElement.dataset;
  const chosen = read("flowmatch.theme");
  if (chosen === "light" || chosen === "dark") [set.theme, set.chosen] = [chosen, ""];
  else set.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const asked = new URLSearchParams(location.search).get("lang");
  const known = (l) => l === "en" || l === "zh";
  const lang = [asked, read("flowmatch.lang"), (navigator.language || "en").slice(0, 2)].find(known) || "en";
  document.documentElement.lang = lang === "zh" ? "zh-Hans" : "en";
})();
