// The pane of bounds: how likely the pieces of a text are, of which tokens have a bound alone.
import { button, slider } from "../ui/controls.js";
import { h, number, uid } from "../ui/dom.js";
import { label, Said, say, strings } from "../ui/lang.js";
import { Conditions, seed } from "./controls.js";
import { line } from "./csv.js";
import { Note, post } from "./service.js";

strings({
  en: {
    "runs.pane.bound": "Likelihood",
    "runs.bound.about": "Sequences have no exact $\\log p$, but a bound that it is at least: the ELBO. Paste a text to see how likely each piece of {n} tokens is. Fewer bits are likelier.",
    "runs.bound.text": "Text", "runs.bound.go": "Compute", "runs.bound.example": "Example",
    "runs.bound.draws": "Draws of each piece", "runs.bound.result": "Bits a token, piece by piece",
    "runs.bound.mean": "All {n} pieces: at most {bits} ± {se} bits a token",
    "runs.bound.mean.one": "1 piece: at most {bits} ± {se} bits a token",
    "runs.bound.uniform": "Tokens by chance would have {bits} bits: the mark on the bars.",
    "runs.bound.left": "Tokens left out at the end, which are no whole piece: {n}.",
    "runs.bound.most": "Only the first {n} pieces are looked at.",
    "runs.bound.short": "A piece has {n} tokens, and this text has {have}: paste a longer one.",
    "runs.bound.strange": "{sign} is no character that this run knows.",
    "runs.bound.rows": "Rows have no exact $\\log p$, but a bound that it is at least: the ELBO. Paste rows, one a line, to see how likely each is. Fewer bits are likelier.",
    "runs.bound.none": "There is no row: paste some, one a line.", "runs.bound.lines": "Rows",
    "runs.bound.mean.rows": "All {n} rows: at most {bits} ± {se} bits a token",
  },
  zh: {
    "runs.pane.bound": "似然",
    "runs.bound.about": "序列没有精确的 $\\log p$，但有一个下界：ELBO。粘贴一段文本，即可看到每段 {n} 个词元有多可能。比特越少，越可能。",
    "runs.bound.text": "文本", "runs.bound.go": "计算", "runs.bound.example": "示例",
    "runs.bound.draws": "每段抽样次数", "runs.bound.result": "各段每词元的比特数",
    "runs.bound.mean": "全部 {n} 段：每词元至多 {bits} ± {se} 比特",
    "runs.bound.mean.one": "1 段：每词元至多 {bits} ± {se} 比特",
    "runs.bound.uniform": "完全随机的词元为 {bits} 比特：条上的标记。",
    "runs.bound.left": "末尾 {n} 个词元不足一段，已略去。", "runs.bound.most": "只看前 {n} 段。",
    "runs.bound.short": "一段有 {n} 个词元，而此文本只有 {have} 个：请粘贴更长的文本。",
    "runs.bound.strange": "此模型不认识字符 {sign}。",
    "runs.bound.rows": "行没有精确的 $\\log p$，但有一个下界：ELBO。粘贴若干行，即可看到每一行有多可能。比特越少，越可能。",
    "runs.bound.none": "没有任何行：请粘贴，每行一条。", "runs.bound.lines": "行",
    "runs.bound.mean.rows": "全部 {n} 行：每词元至多 {bits} ± {se} 比特",
  },
});

export const name = "bound";

/** Sequences of tokens. */
export const fits = ({ model }) => !model.untrained && Boolean(model.tokens);

const mostPieces = 40;

/** check says which text is none of the tokens, as far as that can be told without cutting it into these. */
function check(text, { kind, length, chars = "" }) {
  const known = new Set(chars);
  const strange = kind === "chars" && [...text].find((c) => !known.has(c));
  if (strange) throw new Said("runs.bound.strange", { sign: strange });
  const have = kind === "chars" ? [...text].length : new TextEncoder().encode(text).length;
  if (kind !== "bpe" && have < length) throw new Said("runs.bound.short", { n: length, have });
}

/** shuffled is a text with its characters in another order, which is always the same. */
function shuffled(text) {
  const all = [...text];
  for (let k = all.length - 1, state = 1; k > 0; k--) {
    state = (state * 48271) % 2147483647;
    const other = state % (k + 1);
    [all[k], all[other]] = [all[other], all[k]];
  }
  return all.join("");
}

/** open shows bounds; it returns what ends its work. */
export function open(place, { model, run }) {
  const pane = new Bounds({ model, run });
  place.append(pane.parts());
  pane.work({ anew: true });
  return () => pane.work.stop();
}

/** Bounds is the pane: a text, and what is found of its pieces. */
class Bounds {
  constructor({ model, run }) {
    this.model = model;
    this.rows = ["categories", "integers"].includes(model.tokens.kind); // one a line
    this.conditions = new Conditions({ model, run }, () => this.work(), { all: false, guidance: false });
    this.note = new Note();
    this.text = h("textarea", { id: uid("text"), rows: 6, spellcheck: "false", class: "code wraps" });
    this.draws = slider({ key: "runs.bound.draws", min: 2, max: 128, step: 1, value: 16, on: () => this.work() });
    this.seed = seed(() => this.work());
    this.mean = h("p", { class: "reading" });
    this.list = label(h("ol", { class: "pieces" }), "runs.bound.result");
    this.below = h("div");
    this.drawing = false;
    // One task, so that what is asked for last is what is shown.
    this.work = this.note.task(async (signal, { anew = false } = {}) => {
      this.drawing = false;
      if (anew) await this.example(signal);
      await this.bound(signal);
    }, { shows: [this.mean, this.list, this.below] });
    this.text.addEventListener("input", () => this.drawing && this.work.stop());
  }

  /** parts are the elements of the pane. */
  parts() {
    const { length } = this.model.tokens;
    return h("div", { class: "columns" },
      h("div", { class: "card" }, say(h("p", { class: "muted" }), this.rows ? "runs.bound.rows" : "runs.bound.about",
        { n: length }),
        say(h("label", { for: this.text.id, class: "muted small" }),
          this.rows ? "runs.bound.lines" : "runs.bound.text"), this.text,
        h("div", { class: "buttons" }, button({ key: "runs.bound.go", primary: true, on: () => this.work() }),
          button({ key: "runs.bound.example", on: () => this.work({ anew: true }) })), this.note.el,
        this.mean, this.list, this.below),
      h("div", { class: "card side" }, this.conditions.parts, this.draws.el, this.seed.el));
  }

  /** example is two samples of the model and, of texts, the first with its characters in another order. */
  async example(signal) {
    this.drawing = true;
    try {
      const body = { n: 2, seed: 1 + Math.floor(Math.random() * 1000), ...this.conditions.of() };
      const { x } = await post(this.model.name, "sample", body, { signal, waiting: this.note.waiting });
      this.text.value = this.rows ? x.map(line).join("\n") : [x[0][0], x[1][0], shuffled(x[0][0])].join("");
    } finally {
      if (!signal.aborted) this.drawing = false;
    }
  }

  async bound(signal) {
    const { kind, length, levels } = this.model.tokens;
    const text = this.text.value.replaceAll("\r\n", "\n");
    const lines = text.split("\n").filter((l) => l.trim() !== "");
    if (!this.rows) check(text, this.model.tokens);
    else if (lines.length === 0) throw new Said("runs.bound.none");
    const asked = this.rows ? { texts: lines.slice(0, mostPieces) } : { texts: [text], split: mostPieces };
    const got = await post(this.model.name, "bound", { ...asked, ...this.conditions.of(), draws: this.draws.value,
      seed: this.seed.value }, { signal, waiting: this.note.waiting });
    const texts = got.pieces ?? asked.texts;
    const left = this.rows ? length * (lines.length - texts.length) : got.left_out ?? 0;
    const bits = got.elbo.map((v) => -v / length / Math.LN2);
    const chance = kind === "categories" ? 0 : Math.log2(levels); // columns have levels of their own
    say(this.mean, this.rows ? "runs.bound.mean.rows" : texts.length === 1 ? "runs.bound.mean.one" : "runs.bound.mean",
      { n: texts.length, bits: number(got.bits_per_token, 3), se: number(got.bits_per_token_se, 2) });
    this.list.replaceChildren(...texts.map((text, k) => row(text, bits[k], chance, Math.max(chance, 1e-9, ...bits))));
    const words = (key, holes) => say(h("p", { class: "muted small" }), key, holes);
    this.below.replaceChildren(...(chance ? [words("runs.bound.uniform", { bits: number(chance, 3) })] : []),
      ...(left >= length ? [words("runs.bound.most", { n: texts.length })]
        : left > 0 ? [words("runs.bound.left", { n: left })] : []));
  }
}

/** row is a piece, its bits a token as a bar and in figures, and a mark for those of tokens by chance; 0: none. */
function row(text, bits, chance, most) {
  const fill = h("span", { class: "fill" });
  fill.style.width = `${(100 * Math.max(0, bits)) / most}%`;
  const mark = h("span", { class: "mark" });
  mark.style.left = `calc(${(100 * chance) / most}% - 2px)`;
  return h("li", {}, h("span", { class: "sequence" }, text.replaceAll("\n", "¶").replaceAll("\t", "⇥")),
    h("span", { class: "track" }, fill, chance ? mark : ""), h("span", { class: "number" }, number(bits, 3)));
}
