// The page of runs: which there are, and for each the panes that fit what it is.
import { said } from "../ui/api.js";
import { button } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { label, say, strings } from "../ui/lang.js";
import { shell } from "../ui/shell.js";
import { get, path } from "./service.js";
import { Space } from "./spaces.js";
import * as bound from "./bound.js";
import * as complete from "./complete.js";
import * as compare from "./compare.js";
import * as enlarge from "./enlarge.js";
import * as flow from "./flow.js";
import * as globe from "./globe.js";
import * as images from "./images.js";
import * as impute from "./impute.js";
import * as interpolate from "./interpolate.js";
import * as rows from "./rows.js";
import * as tokens from "./tokens.js";
import * as training from "./training.js";

strings({
  en: {
    "runs.title": "Runs", "runs.choose": "Runs", "runs.panes": "Views of this run",
    "runs.step": "step {step}", "runs.weights": "{n} weights", "runs.dim": "{n} dimensions",
    "runs.dim.one": "{n} dimension", "runs.table.one": "table, {n} column", "runs.classes.one": "{n} class",
    "runs.contexts.one": "given {n} number", "runs.tokens": "sequences of {n} tokens of {levels} levels",
    "runs.image": "images, {n}",
    "runs.table": "table, {n} columns", "runs.classes": "{n} classes", "runs.contexts": "given {n} numbers",
    "runs.live": "in training", "runs.young": "no checkpoint yet",
    "runs.none": "There is no run called {name}. Choose one above.",
    "runs.untrained": "This run has no checkpoint that can be read yet. Until then its losses are all there is.",
    "runs.newer": "The training has saved a newer state: step {step}. What is drawn from now on is of it.",
    "runs.newer.show": "Show the view anew",
    "runs.pairs": "This run makes images from images ({what}).",
  },
  zh: {
    "runs.title": "模型", "runs.choose": "模型", "runs.panes": "此模型的视图",
    "runs.step": "第 {step} 步", "runs.weights": "{n} 个权重", "runs.dim": "{n} 维", "runs.image": "图像，{n}",
    "runs.dim.one": "{n} 维", "runs.table.one": "表格，{n} 列", "runs.classes.one": "{n} 个类别",
    "runs.contexts.one": "以 {n} 个数为条件", "runs.tokens": "{n} 个词元的序列，词元有 {levels} 种取值",
    "runs.table": "表格，{n} 列", "runs.classes": "{n} 个类别", "runs.contexts": "以 {n} 个数为条件",
    "runs.live": "正在训练", "runs.young": "尚无检查点", "runs.none": "没有名为 {name} 的模型。请在上方选择。",
    "runs.untrained": "此模型还没有可以读取的检查点。在此之前只能看到损失。",
    "runs.newer": "训练已保存更新的状态：第 {step} 步。此后绘制的内容均来自该状态。", "runs.newer.show": "重新显示此视图",
    "runs.pairs": "此模型由图像生成图像（{what}）。",
  },
});

// The panes in their order. Each has a name, fits({model, run}), and open(place, {model, run, again, begun, ended}),
// which fills an element and returns what ends its work, or nothing. again() opens the run again, as it is then;
// begun() and ended() say that its training goes on, or is over.
const panes = [globe, tokens, bound, flow, compare, images, interpolate, complete, enlarge,
  rows, impute, training];

const content = document.getElementById("content");
const chosen = h("div");
const list = h("nav", { class: "runs" });
let close = null;
let models = [];
let shown = 0;

/** plainly decodes a part of an address; what is not encoded stays as it is. */
function plainly(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** address reads the part of the address behind #: the name of a run, and of a pane. */
function address() {
  const [name = "", pane = ""] = location.hash.slice(1).split("/").map(plainly);
  return { name, pane };
}

const link = (name, pane) => `#${encodeURIComponent(name)}${pane ? `/${pane}` : ""}`;

/** keeping changes what is in an element, and leaves the focus on the link that has it, or else in the content. */
function keeping(el, change) {
  const had = document.activeElement;
  const focused = el.contains(had);
  const href = had?.getAttribute("href");
  change();
  if (!focused || el.contains(had)) return;
  const same = href ? el.querySelector(`a[href="${CSS.escape(href)}"]`) : null;
  (same ?? content).focus({ preventScroll: true });
}

let listed = ""; // what the list was made of

function listRuns() {
  const { name } = address();
  list.hidden = models.length < 2;
  const now = JSON.stringify(models.map((m) => [m.name, m.step, m.untrained]));
  if (now !== listed) {
    listed = now;
    const state = (m) => (m.untrained ? say(h("span"), "runs.young")
      : say(h("span"), "runs.step", { step: m.step.toLocaleString("en") }));
    keeping(list, () => list.replaceChildren(...models.map((m) =>
      h("a", { href: link(m.name) }, h("b", {}, m.name), state(m)))));
  }
  models.forEach((m, k) => {
    if (m.name === name) list.children[k].setAttribute("aria-current", "page");
    else list.children[k].removeAttribute("aria-current");
  });
  const current = models.find((m) => m.name === name);
  if (current) newer(current.step);
}

let stepShown = 0; // of the state that the open view was made of
let anew = false; // does a view keep pictures of a state?

/** newer says that there is a later state than that of the open view: its pictures are of the one before. */
function newer(step) {
  const place = chosen.querySelector(".newer");
  if (!place || step === stepShown) return;
  stepShown = step;
  const at = { step: step.toLocaleString("en") };
  say(chosen.querySelector(".facts .step"), "runs.step", at);
  if (!anew) return;
  place.hidden = false;
  place.replaceChildren(say(h("span"), "runs.newer", at),
    button({ key: "runs.newer.show", on: () => open().catch(fail) }));
}

/** facts are the short words below the name of a run. */
function facts(model, run) {
  const words = (key, holes) => say(h("li"), key, holes);
  const counted = (key, k) => words(k === 1 ? `${key}.one` : key, { n: k });
  const n = (x) => x.toLocaleString("en");
  return h("ul", { class: "facts" },
    say(h("li", { class: "live", hidden: !run.training }), "runs.live"),
    !model.untrained && [
      model.tokens ? words("runs.tokens", { n: model.tokens.length, levels: model.tokens.levels })
        : model.shape ? words("runs.image", { n: model.shape.join("×") })
        : model.kinds ? counted("runs.table", model.columns.length)
        : model.space ? h("li", {}, new Space({ model, run }).words()) : counted("runs.dim", model.dim),
      model.classes && counted("runs.classes", model.classes.length),
      model.given && counted("runs.contexts", model.given.length),
      words("runs.weights", { n: n(model.weights) }),
      say(h("li", { class: "step" }), "runs.step", { step: n(model.step) })]);
}

/** open shows a run, and of it the pane of the address, or the first. */
async function open() {
  const mine = ++shown;
  close?.();
  close = null;
  if (!address().name && models.length > 0) {
    history.replaceState(null, "", link(models[0].name));
  }
  const { name, pane } = address();
  listRuns();
  if (!models.some((m) => m.name === name)) {
    chosen.replaceChildren(say(h("p", { class: "notice error", role: "alert" }), "runs.none", { name }));
    return;
  }
  const [model, run] = await Promise.all([get(path(name, "").slice(0, -1)), get(path(name, "run"))]);
  if (mine !== shown) return;
  const fitting = panes.filter((p) => p.fits({ model, run }));
  const now = fitting.find((p) => p.name === pane) ?? fitting[0];
  const tabs = h("nav", { class: "tabs" }, fitting.map((p) => say(h("a", {
    href: link(name, p.name), "aria-current": p === now ? "page" : null, id: `tab-${p.name}` }),
      `runs.pane.${p.name}`)));
  label(tabs, "runs.panes");
  const place = h("section", { class: "pane", id: `pane-${now.name}`, "aria-labelledby": `tab-${now.name}` });
  const words = facts(model, run);
  const live = (is) => (words.querySelector(".live").hidden = !is);
  keeping(chosen, () => chosen.replaceChildren(h("header", { class: "head" }, h("h1", {}, name), words), tabs,
    model.untrained ? say(h("p", { class: "notice" }), "runs.untrained") : "",
    model.condition ? say(h("p", { class: "notice" }), "runs.pairs", { what: model.condition }) : "",
    model.untrained ? "" : h("div", { class: "notice newer", role: "status", hidden: true }), place));
  stepShown = model.step;
  anew = now !== training;
  close = now.open(place, { model, run, again: () => open().catch(fail),
    begun: () => live(true), ended: () => live(false) }) ?? null;
  for (const nav of [list, tabs]) {
    nav.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  }
  document.title = `${name} · flowmatch`;
}

function fail(e) {
  chosen.replaceChildren(said(e));
}

async function start() {
  content.append(list, chosen);
  label(list, "runs.choose");
  models = await get("/v1/models");
  window.addEventListener("hashchange", () => open().catch(fail));
  await open();
  // A training that goes on has new states, which are shown in the list.
  setInterval(async () => {
    try {
      models = await get("/v1/models");
      listRuns();
    } catch { /* the pane says it */ }
  }, 15000);
}

shell("runs");
start().catch(fail);
