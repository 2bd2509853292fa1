// Controls that panes share: seeds, numbers, and what points are given.
import { select, slider } from "../ui/controls.js";
import { h, icon, number, uid } from "../ui/dom.js";
import { label, say, strings } from "../ui/lang.js";

strings({
  en: {
    "runs.seed": "Seed", "runs.seed.new": "Another seed", "runs.label": "Class", "runs.label.all": "all",
    "runs.guidance": "Guidance", "runs.t": "Time $t$",
    "runs.more": "{n} more",
  },
  zh: {
    "runs.seed": "随机种子", "runs.seed.new": "换一个种子", "runs.label": "类别", "runs.label.all": "全部",
    "runs.guidance": "引导强度", "runs.t": "时间 $t$",
    "runs.more": "其余 {n} 个",
  },
});

/** field is a text or a number with a label, whose changes on(value) hears of. */
export function field({ key, text, value = "", type = "text", on, ...rest }) {
  const input = h("input", { type, id: uid("field"), value, ...rest });
  input.addEventListener("change", () => on?.(input.value));
  const words = h("label", { for: input.id });
  if (key) say(words, key);
  else words.textContent = text;
  return { el: h("div", { class: "control" }, words, input), input, get value() { return input.value; } };
}

/** folded returns parts, those after the first so many in a list that folds out. */
export function folded(parts, most, kind = "folded") {
  if (parts.length <= most) return parts;
  const summary = say(h("summary"), "runs.more", { n: parts.length - most });
  return [...parts.slice(0, most), h("details", {}, summary, h("div", { class: kind }, parts.slice(most)))];
}

/** seed is a number that a button changes. What is no seed becomes the nearest that is one. */
export function seed(on) {
  const it = field({ key: "runs.seed", value: 1, type: "number", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1,
    on: () => {
      it.input.value = whole();
      on();
    } });
  const whole = () => Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor(Number(it.value) || 0)));
  const next = h("button", { type: "button", class: "tool boxed" }, icon("M16 10a6 6 0 1 1-2-4.500M14 2v4h-4"));
  label(next, "runs.seed.new");
  next.addEventListener("click", () => {
    it.input.value = Math.floor(Math.random() * 100000);
    on();
  });
  it.el.replaceChildren(it.el.firstChild, h("div", { class: "beside" }, it.input, next));
  return { el: it.el, get value() { return whole(); } };
}

/** time is the slider of time, from noise to data. */
export const time = (on, { value = 0, play = 5 } = {}) => slider({ key: "runs.t", min: 0, max: 1, step: 0.01, value,
  play, format: (v) => v.toFixed(2), on });

/**
 * Conditions are what points of a model are given: a class, guidance, and the numbers of a context. `of(all)` is
 * what a request has of them.
 */
export class Conditions {
  constructor({ model, run }, on, { all = true, guidance = true } = {}) {
    this.model = model;
    this.parts = [];
    if (model.classes) {
      const options = model.classes.map((c) => ({ value: c, text: c }));
      if (all) options.unshift({ value: "", key: "runs.label.all" });
      this.label = select({ key: "runs.label", options, value: options[0].value, on });
      this.parts.push(this.label.el);
    }
    if (model.guidance && guidance) {
      this.scale = slider({ key: "runs.guidance", min: 0, max: 5, step: 0.1, value: 1, on,
        format: (v) => v.toFixed(1) });
      this.parts.push(this.scale.el);
    }
    this.given = (model.given ?? []).map((name, k) => {
      const middle = Number((run.context_center?.[k] ?? 0).toPrecision(3));
      const it = field({ text: name, type: "number", step: "any", value: middle, on: () => {
        if (it.value === "") it.input.value = middle;
        on();
      }, title: run.context_scale ? `${number(run.context_center[k])} ± ${number(run.context_scale[k])}` : null });
      return it;
    });
    this.parts.push(...folded(this.given.map((f) => f.el), 24));
  }

  /** class is the one that is chosen; empty: all, or there are none. */
  get class() { return this.label?.value ?? ""; }

  /** guided is the scale; null: none. */
  get guided() {
    const v = this.scale?.value ?? 1;
    return Math.abs(v - 1) < 1e-9 ? null : v;
  }

  /** of is what a request for samples has of the conditions. */
  of() {
    const body = {};
    if (this.class !== "") body.label = this.class;
    if (this.guided !== null) body.guidance = this.guided;
    if (this.model.given) {
      body.given = Object.fromEntries(this.model.given.map((n, k) => [n, Number(this.given[k].value)]));
    }
    return body;
  }
}
