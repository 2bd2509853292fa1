// The pane of imputation: rows with holes are pasted, and come back filled in.
import { warned } from "../ui/api.js";
import { button, slider } from "../ui/controls.js";
import { h, number, plain, uid } from "../ui/dom.js";
import { label, Said, say, strings } from "../ui/lang.js";
import { seed } from "./controls.js";
import { parse, write } from "./csv.js";
import { Note, post } from "./service.js";

strings({
  en: {
    "runs.pane.impute": "Imputation",
    "runs.impute.about": "Paste rows with a line of names. Empty fields, NA and ? are filled in by draws given what is known.",
    "runs.impute.rows": "Rows (CSV)", "runs.impute.draws": "Draws of each row", "runs.impute.go": "Fill in",
    "runs.impute.example": "Example", "runs.impute.result": "Filled in",
    "runs.impute.names": "The first line must be names of columns: {names}.",
    "runs.impute.twice": "The line of names has {name} twice: name each column once.",
    "runs.impute.none": "There are no rows below the line of names.",
    "runs.impute.short": "Row {row} has {n} fields, and there are {names} names.",
    "runs.impute.number": "Row {row}: {value} of {name} is no number.",
    "runs.impute.key": "Filled fields are marked: the mean of the draws and their spread, or the most frequent value and its share.",
  },
  zh: {
    "runs.pane.impute": "补缺",
    "runs.impute.about": "粘贴若干行，第一行为列名。空白、NA 与 ? 会在已知内容的条件下采样补上。",
    "runs.impute.rows": "行（CSV）", "runs.impute.draws": "每行采样次数", "runs.impute.go": "补缺",
    "runs.impute.example": "示例", "runs.impute.result": "补缺结果", "runs.impute.names": "第一行必须是列名：{names}。",
    "runs.impute.twice": "列名 {name} 出现了两次：每列只能写一次。",
    "runs.impute.none": "列名之下没有任何行。",
    "runs.impute.short": "第 {row} 行有 {n} 个字段，而列名有 {names} 个。",
    "runs.impute.number": "第 {row} 行：{name} 的值 {value} 不是数。",
    "runs.impute.key": "补上的字段有标记：采样的均值及其离散程度，或最常见的值及其占比。",
  },
});

export const name = "impute";
export const fits = ({ model }) => !model.untrained && Boolean(model.kinds) && Boolean(model.shown);

const hole = (v) => ["", "na", "nan", "null", "?"].includes(v.trim().toLowerCase());

/** read returns the rows of a text as the service takes them. */
function read(text, columns) {
  const { names, rows } = parse(text);
  const known = new Map(columns.map((c) => [c.name, c]));
  if (!names.some((n) => known.has(n))) {
    throw new Said("runs.impute.names", { names: [...known.keys()].join(", ") });
  }
  const twice = names.find((n, k) => names.indexOf(n) !== k);
  if (twice !== undefined) throw new Said("runs.impute.twice", { name: twice });
  if (rows.length === 0) throw new Said("runs.impute.none");
  return { names, rows: rows.map((r, i) => {
    if (r.length !== names.length) {
      throw new Said("runs.impute.short", { row: i + 1, n: r.length, names: names.length });
    }
    return Object.fromEntries(names.map((n, k) => {
      const column = known.get(n);
      if (hole(r[k])) return [n, null];
      if (!column || column.levels || column.kind === "date" || column.kind === "constant") return [n, r[k].trim()];
      const v = Number(r[k]);
      if (!Number.isFinite(v)) throw new Said("runs.impute.number", { row: i + 1, name: n, value: r[k] });
      return [n, v];
    }));
  }) };
}

/** short leaves of the digits of a number those that matter. */
const short = (v) => (typeof v === "number" && !Number.isInteger(v) ? Number(v.toPrecision(6)) : v);

/** sum says in short what the draws of a field are. */
function sum(values) {
  if (values.every((v) => typeof v === "number")) {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
    return values.length > 1 ? [plain(mean), `± ${number(std, 2)}`] : [plain(mean), ""];
  }
  const counts = new Map();
  for (const v of values) counts.set(v, (counts.get(v) ?? 0) + 1);
  const [[top, n]] = [...counts].sort((a, b) => b[1] - a[1]);
  return [top === null ? "–" : String(top), values.length > 1 ? `${Math.round((100 * n) / values.length)} %` : ""];
}

export function open(place, { model, run }) {
  const note = new Note();
  const text = h("textarea", { id: uid("rows"), rows: 6, spellcheck: "false", class: "code" });
  const draws = slider({ key: "runs.impute.draws", min: 1, max: 100, step: 1, value: 20 });
  const number_ = seed(() => work());
  const result = h("div", { class: "scroll", tabindex: 0 });
  label(result, "runs.impute.result");
  const below = h("div");

  let drawing = false;

  /** example pastes a few samples of the model, with holes, unless the reader writes meanwhile. */
  async function example(signal) {
    const body = { n: 4, seed: 1 + Math.floor(Math.random() * 1000) };
    drawing = true;
    try {
      const { x } = await post(model.name, "sample", body, { signal, waiting: note.waiting });
      text.value = write(model.columns, x.map((row, i) =>
        row.map((v, k) => ((k * 5 + i * 3) % 7 < 2 ? null : short(v)))));
    } finally {
      if (!signal.aborted) drawing = false;
    }
  }
  text.addEventListener("input", () => drawing && work.stop());

  async function fill(signal) {
    const { names, rows } = read(text.value, run.columns);
    const got = await post(model.name, "impute", { rows, n: draws.value, seed: number_.value },
      { signal, waiting: note.waiting });
    const filled = rows.map((row, i) => names.map((n) => {
      const values = got.rows.map((all) => all[i][n]);
      if (row[n] !== null) return h("td", {}, String(row[n]));
      if (values.every((v) => v === null)) return h("td", {}, "–");
      const [value, spread] = sum(values);
      return h("td", { class: "filled" }, h("b", {}, value), " ", h("span", { class: "muted" }, spread));
    }));
    result.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, names.map((n) => h("th", {}, n)))),
      h("tbody", {}, filled.map((cells) => h("tr", {}, cells)))));
    below.replaceChildren(say(h("p", { class: "muted small" }), "runs.impute.key"),
      ...warned(got));
  }

  // One task, so that what is asked for last is what is shown.
  const work = note.task(async (signal, { anew = false } = {}) => {
    drawing = false;
    if (anew) await example(signal);
    await fill(signal);
  }, { shows: [result, below] });
  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.impute.about"),
      say(h("label", { for: text.id }), "runs.impute.rows"), text,
      h("div", { class: "buttons" }, button({ key: "runs.impute.go", primary: true, on: () => work() }),
        button({ key: "runs.impute.example", on: () => work({ anew: true }) })), note.el),
    h("div", { class: "card side" }, draws.el, number_.el)),
  h("div", { class: "card" }, say(h("h2"), "runs.impute.result"), result, below));
  work({ anew: true });
  return () => work.stop();
}
