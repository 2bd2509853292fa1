// The pane of rows: their marginals, what they are given, and a table of them.
import { button, select, slider, toggle } from "../ui/controls.js";
import { h, plain, uid } from "../ui/dom.js";
import { label, say, strings } from "../ui/lang.js";
import { legend } from "../ui/plane.js";
import { Bars, histogram } from "./bars.js";
import { Conditions, field, folded, seed } from "./controls.js";
import { Note, post } from "./service.js";

strings({
  en: {
    "runs.pane.rows": "Samples",
    "runs.rows.about": "Marginals of samples. Give values of some columns to see the others given these.",
    "runs.rows.points": "Marginals of samples, column by column.",
    "runs.rows.count": "Rows", "runs.rows.complete": "Only rows without missing values", "runs.rows.any": "any",
    "runs.rows.given": "Given values", "runs.rows.csv": "Download as CSV", "runs.rows.table": "Samples",
    "runs.rows.all": "all rows", "runs.rows.some": "rows with the given values", "runs.rows.missing": "missing",
    "runs.rows.others": "others",
    "runs.rows.shown": "This run was not trained to be shown columns (train.shown), so none can be given.",
    "runs.rows.clear": "Give nothing", "runs.rows.first": "The first {n} rows of {all}.",
  },
  zh: {
    "runs.pane.rows": "样本", "runs.rows.about": "样本的边缘分布。给定某些列的值，即可看到其余列的条件分布。",
    "runs.rows.points": "样本各列的边缘分布。",
    "runs.rows.count": "行数", "runs.rows.complete": "只要没有缺失值的行", "runs.rows.any": "任意",
    "runs.rows.given": "给定的值", "runs.rows.csv": "下载 CSV", "runs.rows.table": "样本",
    "runs.rows.all": "全部行", "runs.rows.some": "具有给定值的行", "runs.rows.missing": "缺失",
    "runs.rows.others": "其他", "runs.rows.shown": "此模型训练时没有学习给定列（train.shown），因此不能给定值。",
    "runs.rows.clear": "清除给定值", "runs.rows.first": "{all} 行中的前 {n} 行。",
  },
});

export const name = "rows";
export const fits = ({ model }) => !model.untrained && !model.shape && !model.condition && !model.tokens;

const mostColumns = 24; // the others fold out
const mostRows = 12;

/** inputs are what values of columns are given by. */
function inputs(columns, on) {
  const all = columns.filter((c) => c.kind !== "constant").map((c) => {
    let it;
    if (c.levels && c.of > c.levels.length) { // not all of them are listed: any can be written
      const list = h("datalist", { id: uid("levels") }, c.levels.map((l) => h("option", { value: l })));
      it = field({ text: c.name, list: list.id, on });
      it.el.append(list);
    } else if (c.levels) {
      it = select({ key: "runs.rows.any", value: "", on, options: [{ value: "", key: "runs.rows.any" },
        ...c.levels.map((l) => ({ value: l, text: l }))] });
      const words = it.el.querySelector("label");
      delete words.dataset.t;
      words.textContent = c.name;
    } else {
      // Bounds of dates are in their unit; a sample shows how they are written (example).
      const range = c.low === undefined || c.kind === "date" ? "" : `${plain(c.low)} – ${plain(c.high)}`;
      it = field({ text: c.name, type: c.kind === "date" ? "text" : "number", step: c.step || "any", on,
        placeholder: range });
    }
    const get = () => (c.levels || c.kind === "date" ? it.value : Number(it.value));
    return { el: it.el, name: c.name, get, date: c.kind === "date" ? it.input : null, has: () => (it.input ?? it.el.querySelector("select")).value !== "",
      clear: () => ((it.input ?? it.el.querySelector("select")).value = "") };
  });
  return {
    parts: folded(all.map((i) => i.el), mostColumns, "side"),
    value: () => Object.fromEntries(all.filter((i) => i.has()).map((i) => [i.name, i.get()])),
    clear: () => all.forEach((i) => i.clear()),
    example: (names, x) => all.filter((i) => i.date).forEach((i) => {
      const k = names.indexOf(i.name);
      i.date.placeholder = x.find((r) => r[k] !== null)?.[k] ?? "";
    }),
  };
}

export function open(place, { model, run }) {
  const note = new Note();
  const columns = run.columns ?? model.columns.map((c) => ({ name: c, kind: "real" }));
  const again = () => restart();
  const conditions = new Conditions({ model, run }, again);
  const number_ = seed(again);
  const count = slider({ key: "runs.rows.count", min: 100, max: 3000, step: 100, value: 1000, on: again });
  const full = columns.some((c) => c.missing) && model.shown ? toggle({ key: "runs.rows.complete", on: again }) : null;
  const given = model.shown ? inputs(columns, again) : null;
  const charts = h("div", { class: "marginals" });
  const table = h("div", { class: "scroll", tabindex: 0 });
  label(table, "runs.rows.table");
  const first = h("p", { class: "muted small" });
  const bars = new Map();
  const key = h("div");
  let free = null; // all rows of the seed, to compare with those that something is given
  let last = null;

  function draw(rows, all) {
    for (const [k, c] of model.columns.entries()) {
      const column = columns.find((d) => d.name === c) ?? { kind: "real" };
      if (column.kind === "constant") continue;
      if (!bars.has(c)) bars.set(c, new Bars(c));
      bars.get(c).show(histogram(column, rows.x.map((r) => r[k]), all?.x.map((r) => r[k])), Boolean(all));
    }
    if (charts.childElementCount === 0) {
      charts.append(...folded([...bars.values()].map((b) => b.el), mostColumns, "marginals"));
    }
    const numeric = (k) => (rows.x.some((r) => typeof r[k] === "number") ? "number" : null);
    key.replaceChildren(all ? legend([{ mark: "square", color: "field", key: "runs.rows.some" },
      { mark: "line", color: "data", key: "runs.rows.all" }]) : "");
    const heads = model.columns.map((c, k) => h("th", { class: numeric(k) }, c));
    table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, heads)),
      h("tbody", {}, rows.x.slice(0, mostRows).map((r) => h("tr", {}, r.map((v, k) =>
        h("td", { class: numeric(k) },
          v === null ? h("span", { class: "muted" }, "–") : typeof v === "number" ? plain(v, 5) : String(v))))))));
    say(first, "runs.rows.first", { n: Math.min(mostRows, rows.x.length), all: rows.x.length });
  }

  const request = (of) => ({ n: count.value, seed: number_.value, ...conditions.of(),
    ...(full?.value ? { complete: true } : {}), ...of });

  const restart = note.task(async (signal) => {
    const options = { signal, waiting: note.waiting };
    const values = given?.value() ?? {};
    const some = Object.keys(values).length > 0;
    const base = request({});
    if (!free || JSON.stringify(free.base) !== JSON.stringify(base)) {
      free = { base, rows: await post(model.name, "sample", base, options) };
      given?.example(model.columns, free.rows.x);
    }
    last = some ? request({ given: values }) : base;
    const rows = some ? await post(model.name, "sample", last, options) : free.rows;
    draw(rows, some ? free.rows : null);
  }, { shows: [charts, key, table, first] });

  const download = note.task(async (signal) => {
    const response = await post(model.name, "sample", last ?? request({}),
      { signal, accept: "text/csv", waiting: note.waiting });
    const url = URL.createObjectURL(await response.blob());
    const a = h("a", { href: url, download: `${model.name}.csv` });
    document.body.append(a);
    a.click();
    a.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });

  const about = given ? "runs.rows.about" : "runs.rows.points";
  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), about), note.el, charts, key),
    h("div", { class: "card side" }, number_.el, count.el, conditions.parts, full?.el ?? null,
      given && [say(h("h3"), "runs.rows.given"), given.parts, button({ key: "runs.rows.clear", on: () => {
        given.clear();
        restart();
      } })],
      model.kinds && !given ? say(h("p", { class: "notice" }), "runs.rows.shown") : null)),
  h("div", { class: "card" }, h("div", { class: "row" }, say(h("h2"), "runs.rows.table"),
    button({ key: "runs.rows.csv", on: () => download() })), table, first));
  restart();
  return () => {
    restart.stop();
    download.stop();
  };
}
