// The pane of rows: their marginals, what they are given, and a table of them.
import { button, select, slider, toggle } from "../ui/controls.js";
import { fixed, h, plain, uid } from "../ui/dom.js";
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
    "runs.rows.others": "others", "runs.rows.share": "missing: {n} %",
    "runs.rows.shown": "This run was not trained to be shown columns (train.shown), so none can be given.",
    "runs.rows.clear": "Give nothing", "runs.rows.first": "The first {n} rows of {all}.",
  },
  zh: {
    "runs.pane.rows": "样本", "runs.rows.about": "样本的边缘分布。给定某些列的值，即可看到其余列的条件分布。",
    "runs.rows.points": "样本各列的边缘分布。",
    "runs.rows.count": "行数", "runs.rows.complete": "只要没有缺失值的行", "runs.rows.any": "任意",
    "runs.rows.given": "给定的值", "runs.rows.csv": "下载 CSV", "runs.rows.table": "样本",
    "runs.rows.all": "全部行", "runs.rows.some": "具有给定值的行", "runs.rows.missing": "缺失",
    "runs.rows.others": "其他", "runs.rows.share": "缺失：{n} %",
    "runs.rows.shown": "此模型训练时没有学习给定列（train.shown），因此不能给定值。",
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
    const input = it.input ?? it.el.querySelector("select");
    return { el: it.el, name: c.name, get, date: c.kind === "date" ? it.input : null, has: () => input.value !== "",
      clear: () => (input.value = "") };
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

/** open shows samples as rows; it returns what ends its work. */
export function open(place, of) {
  const rows = new Rows(of);
  place.append(rows.parts());
  rows.restart();
  return () => rows.end();
}

/** places is how many decimals the numbers of a column need to be told apart, all alike. */
function places(values) {
  const numbers = values.filter((v) => typeof v === "number" && Number.isFinite(v));
  if (numbers.length === 0 || numbers.every(Number.isInteger)) return 0;
  const size = Math.max(...numbers.map(Math.abs));
  const need = Math.max(...numbers.map((v) => (String(Number(v.toPrecision(8))).split(/[.e]/)[1] ?? "").length));
  return Math.min(need, Math.max(0, 4 - Math.floor(Math.log10(size || 1))), 8);
}

/** Rows is the pane: the marginals of samples, and the first of these as a table. */
class Rows {
  constructor({ model, run }) {
    this.model = model;
    this.note = new Note();
    this.columns = run.columns ?? model.columns.map((c) => ({ name: c, kind: "real" }));
    const again = () => this.restart();
    this.conditions = new Conditions({ model, run }, again);
    this.seed = seed(again);
    this.count = slider({ key: "runs.rows.count", min: 100, max: 3000, step: 100, value: 1000, on: again });
    const gaps = this.columns.some((c) => c.missing) && model.shown;
    this.full = gaps ? toggle({ key: "runs.rows.complete", on: again }) : null;
    this.given = model.shown ? inputs(this.columns, again) : null;
    this.charts = h("div", { class: "marginals" });
    this.table = label(h("div", { class: "scroll", tabindex: 0 }), "runs.rows.table");
    this.first = h("p", { class: "muted small" });
    this.bars = new Map();
    this.key = h("div");
    this.free = null; // all rows of the seed, to compare with those that something is given
    this.last = null; // what was asked for last
    this.restart = this.note.task((signal) => this.begin(signal),
      { shows: [this.charts, this.key, this.table, this.first] });
    this.download = this.note.task((signal) => this.save(signal));
  }

  /** parts are the elements of the pane. */
  parts() {
    const { model, given } = this;
    const clear = () => {
      given.clear();
      this.restart();
    };
    return h("div", { class: "columns" },
      h("div", { class: "card" }, say(h("p", { class: "muted" }), given ? "runs.rows.about" : "runs.rows.points"),
        this.note.el, this.charts, this.key),
      h("div", { class: "card side" }, this.seed.el, this.count.el, this.conditions.parts, this.full?.el ?? null,
        given && [say(h("h3"), "runs.rows.given"), given.parts, button({ key: "runs.rows.clear", on: clear })],
        model.kinds && !given ? say(h("p", { class: "notice" }), "runs.rows.shown") : null),
      h("div", { class: "card rest" }, h("div", { class: "row" }, say(h("h2"), "runs.rows.table"),
        button({ key: "runs.rows.csv", on: () => this.download() })), this.table, this.first));
  }

  draw(rows, all) {
    for (const [k, c] of this.model.columns.entries()) {
      const column = this.columns.find((d) => d.name === c) ?? { kind: "real" };
      if (column.kind === "constant") continue;
      if (!this.bars.has(c)) this.bars.set(c, new Bars(c));
      this.bars.get(c).show(histogram(column, rows.x.map((r) => r[k]), all?.x.map((r) => r[k])), Boolean(all));
    }
    if (this.charts.childElementCount === 0) {
      this.charts.append(...folded([...this.bars.values()].map((b) => b.el), mostColumns, "marginals"));
    }
    this.key.replaceChildren(all ? legend([{ mark: "square", color: "field", key: "runs.rows.some" },
      { mark: "line", color: "data", key: "runs.rows.all" }]) : "");
    this.list(rows.x);
  }

  /** list writes the first rows. */
  list(x) {
    const shown = x.slice(0, mostRows);
    const numeric = (k) => (x.some((r) => typeof r[k] === "number") ? "number" : null);
    const decimals = this.model.columns.map((_, k) => places(shown.map((r) => r[k])));
    const write = (v, k) => {
      if (v === null) return h("span", { class: "muted" }, "–");
      return typeof v === "number" ? fixed(v, decimals[k]) : String(v);
    };
    const heads = this.model.columns.map((c, k) => h("th", { class: numeric(k) }, c));
    this.table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, heads)),
      h("tbody", {}, shown.map((r) => h("tr", {}, r.map((v, k) => h("td", { class: numeric(k) }, write(v, k))))))));
    say(this.first, "runs.rows.first", { n: shown.length, all: x.length });
  }

  request(of) {
    return { n: this.count.value, seed: this.seed.value, ...this.conditions.of(),
      ...(this.full?.value ? { complete: true } : {}), ...of };
  }

  async begin(signal) {
    const ask = (body) => post(this.model.name, "sample", body, { signal, waiting: this.note.waiting });
    const values = this.given?.value() ?? {};
    const some = Object.keys(values).length > 0;
    const base = this.request({});
    if (!this.free || JSON.stringify(this.free.base) !== JSON.stringify(base)) {
      this.free = { base, rows: await ask(base) };
      this.given?.example(this.model.columns, this.free.rows.x);
    }
    this.last = some ? this.request({ given: values }) : base;
    const rows = some ? await ask(this.last) : this.free.rows;
    this.draw(rows, some ? this.free.rows : null);
  }

  /** save downloads what is shown, as CSV. */
  async save(signal) {
    const response = await post(this.model.name, "sample", this.last ?? this.request({}),
      { signal, accept: "text/csv", waiting: this.note.waiting });
    const url = URL.createObjectURL(await response.blob());
    const a = h("a", { href: url, download: `${this.model.name}.csv` });
    document.body.append(a);
    a.click();
    a.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  end() {
    this.restart.stop();
    this.download.stop();
  }
}
