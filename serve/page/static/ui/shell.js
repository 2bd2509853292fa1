// The bar above every page: its name, the way to the other page, and the switches of language and theme.
import { h, icon } from "./dom.js";
import { lang, label, onLang, say, setLang, strings } from "./lang.js";
import { onTheme, setTheme, theme } from "./theme.js";

strings({
  en: {
    "shell.skip": "Skip to the content",
    "shell.pages": "Pages",
    "shell.runs": "Runs",
    "shell.lecture": "Lecture",
    "shell.dark": "Dark colours",
    "shell.light": "Light colours",
    "shell.other": "中文：切换到中文",
  },
  zh: {
    "shell.skip": "跳到正文",
    "shell.pages": "页面",
    "shell.runs": "模型",
    "shell.lecture": "讲义",
    "shell.dark": "深色",
    "shell.light": "浅色",
    "shell.other": "EN: switch to English",
  },
});

const sun = () => icon("M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7z",
  "M10 1v2.500M10 16.500V19M1 10h2.500M16.500 10H19M3.600 3.600l1.800 1.800M14.600 14.600l1.800 1.800M3.600 16.400l1.800-1.800M14.600 5.400l1.800-1.800");
const moon = () => icon("M16.500 12.200A7 7 0 0 1 7.800 3.500a7 7 0 1 0 8.700 8.700z");

/** skip goes to the content. The part of the address behind # is left alone: it names what is shown. */
function skip(e) {
  e.preventDefault();
  const content = document.getElementById("content");
  content.focus({ preventScroll: true });
  content.scrollIntoView();
}

/** shell puts the bar before the content of the page; active is runs or lecture. */
export async function shell(active) {
  const other = h("button", { type: "button", class: "tool language" });
  other.addEventListener("click", () => setLang(lang() === "zh" ? "en" : "zh"));
  const colors = h("button", { type: "button", class: "tool" });
  colors.addEventListener("click", () => setTheme(theme() === "dark" ? "light" : "dark"));
  const show = () => {
    other.textContent = lang() === "zh" ? "EN" : "中文";
    label(other, "shell.other");
    colors.replaceChildren(theme() === "dark" ? sun() : moon());
    label(colors, theme() === "dark" ? "shell.light" : "shell.dark");
  };
  onTheme(show);
  onLang(show);
  show();
  const pages = label(h("nav", { class: "pages" }), "shell.pages");
  document.body.prepend(
    say(h("a", { class: "skip", href: "#content", on: { click: skip } }), "shell.skip"),
    h("header", { class: "bar" },
      h("a", { class: "brand", href: active === "lecture" ? "/lecture" : "/" },
        h("img", { src: "/static/ui/icon.svg", alt: "", width: 24, height: 24 }), h("span", {}, "flowmatch")),
      pages, h("div", { class: "tools" }, other, colors)));
  const about = await (await fetch("/page.json")).json();
  const links = [about.runs && ["runs", "/"], about.lecture && ["lecture", "/lecture"]].filter(Boolean);
  if (links.length > 1) {
    pages.append(...links.map(([name, to]) =>
      say(h("a", { href: to, "aria-current": name === active ? "page" : null }), `shell.${name}`)));
  }
  return about;
}
