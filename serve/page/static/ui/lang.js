// Texts in English and Chinese, by keys. A text may have equations between dollar signs and holes {name}.
import { h } from "./dom.js";
import { redraw } from "./redraw.js";
import { math } from "./tex.js";

const texts = { en: {}, zh: {} };
const listeners = new Set();
const known = (l) => l === "en" || l === "zh";

/** lang is the language of the page: en or zh. */
export const lang = () => (document.documentElement.lang.startsWith("zh") ? "zh" : "en");

/** strings adds texts: {en: {key: text}, zh: {key: text}}. */
export function strings(more) {
  for (const l of ["en", "zh"]) Object.assign(texts[l], more[l]);
}

/** missing returns the keys that one language has and the other has not. */
export function missing() {
  const keys = new Set([...Object.keys(texts.en), ...Object.keys(texts.zh)]);
  return [...keys].filter((k) => !texts.en[k] || !texts.zh[k]);
}

/** raw is the text of a key, with its holes. */
function raw(key) {
  const text = texts[lang()][key];
  if (text !== undefined) return text;
  console.error(`there is no text ${key} in ${lang()}`);
  return key;
}

const fill = (text, holes = {}) => text.replace(/\{(\w+)\}/g, (all, name) => holes[name] ?? all);

/** t returns the text of a key, its holes filled in. */
export const t = (key, holes) => fill(raw(key), holes);

// What must stand on the line of the equation beside it: signs that end, and brackets that open.
const closing = (text = "") => /^[,.;:!?)\]，。；：！？）、」]*/.exec(text)[0];
const opening = (text = "") => /[([（「]?$/.exec(text)[0];

/** rich returns the nodes of a text: its words with their holes filled in, and its equations as MathML. */
function rich(text, holes) {
  const parts = text.split("$").map((part, k) => (k % 2 ? part : fill(part, holes)));
  return parts.map((part, k) => {
    const [before, after] = [parts[k - 1], parts[k + 1]];
    if (k % 2) return h("span", { class: "tied" }, opening(before), math(part), closing(after));
    const end = after === undefined ? part.length : part.length - opening(part).length;
    return part.slice(before === undefined ? 0 : closing(part).length, end);
  });
}

/** Said is an error in the words of a text: whoever shows it does so in the language of the page. */
export class Said extends Error {
  constructor(key, holes) {
    super(t(key, holes));
    Object.assign(this, { key, holes });
  }
}

/** say gives an element the text of a key, now and whenever the language changes. */
export function say(el, key, holes) {
  el.dataset.t = key;
  el.holes = holes;
  el.replaceChildren(...rich(raw(key), holes));
  return el;
}

/** label gives an element the name that is read aloud, now and whenever the language changes. */
export function label(el, key, holes) {
  el.dataset.tLabel = key;
  el.labelHoles = holes;
  el.setAttribute("aria-label", fill(raw(key).replaceAll("$", ""), holes));
  if (el.matches("button.round, .tool")) el.title = el.getAttribute("aria-label");
  return el;
}

/** onLang calls fn whenever the language has changed, for ever: what may leave the page is redrawn (redraw.js). */
export const onLang = (fn) => listeners.add(fn);

/** setLang changes the language, and remembers it. */
export function setLang(l) {
  if (!known(l) || l === lang()) return;
  document.documentElement.lang = l === "zh" ? "zh-Hans" : "en";
  try { localStorage.setItem("flowmatch.lang", l); } catch { /* a browser that remembers nothing */ }
  const url = new URL(location.href);
  if (url.searchParams.has("lang")) {
    url.searchParams.set("lang", l);
    history.replaceState(null, "", url);
  }
  for (const el of document.querySelectorAll("[data-t]")) say(el, el.dataset.t, el.holes);
  for (const el of document.querySelectorAll("[data-t-label]")) label(el, el.dataset.tLabel, el.labelHoles);
  for (const fn of listeners) fn();
  redraw();
}
