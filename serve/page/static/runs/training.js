// The pane of the training: its losses as they come, and its settings.
import { Chart } from "../ui/chart.js";
import { h, number } from "../ui/dom.js";
import { toggle } from "../ui/controls.js";
import { lang, say, strings, t } from "../ui/lang.js";
import { redrawn } from "../ui/redraw.js";
import { get, follow, Note, path, sleep } from "./service.js";

strings({
  en: {
    "runs.pane.training": "Training", "runs.loss": "Loss", "runs.loss.chart": "Loss of training and validation by step",
    "runs.loss.train": "training", "runs.loss.val": "validation", "runs.loss.step": "step",
    "runs.loss.log": "Logarithmic axis",
    "runs.loss.none": "There are no metrics of this run.", "runs.settings": "Settings (run.yaml)",
    "runs.data": "Data", "runs.progress": "Progress", "runs.progress.of": "step {step} of {steps}",
    "runs.time": "Time of training", "runs.left": "Time left", "runs.rate": "Examples a second",
    "runs.best": "Lowest validation loss",
    "runs.best.at": "{loss} at step {step}", "runs.path": "Path", "runs.solver": "Solver",
  },
  zh: {
    "runs.pane.training": "训练", "runs.loss": "损失", "runs.loss.chart": "各步的训练损失与验证损失",
    "runs.loss.train": "训练", "runs.loss.val": "验证", "runs.loss.step": "步", "runs.loss.log": "对数坐标",
    "runs.loss.none": "此模型没有训练记录。", "runs.settings": "设置（run.yaml）",
    "runs.data": "数据", "runs.progress": "进度", "runs.progress.of": "第 {step} 步，共 {steps} 步",
    "runs.time": "训练用时", "runs.left": "剩余时间", "runs.rate": "每秒样本数", "runs.best": "最低验证损失",
    "runs.best.at": "{loss}，第 {step} 步", "runs.path": "路径", "runs.solver": "求解器",
  },
});

export const name = "training";
export const fits = () => true;

/** duration writes seconds as people say them. */
function duration(s) {
  const units = lang() === "zh" ? ["秒", "分", "小时"] : ["s", "min", "h"];
  if (s < 90) return `${Math.round(s)} ${units[0]}`;
  if (s < 5400) return `${Math.round(s / 60)} ${units[1]}`;
  return `${(s / 3600).toFixed(1)} ${units[2]}`;
}

/** smooth is a moving mean of so many values. */
function smooth(ys, n) {
  let sum = 0;
  return ys.map((y, k) => {
    sum += y - (k >= n ? ys[k - n] : 0);
    return sum / Math.min(k + 1, n);
  });
}

/** open shows the losses of a training and its settings; it returns what ends its work. */
export function open(place, { model, run, again, begun, ended }) {
  const pane = new Losses({ model, run, begun, ended });
  place.append(...pane.parts());
  pane.write();
  const ending = new AbortController();
  watching(pane.watch(ending.signal), model, ending.signal);
  const looking = untrainedWatch(model, again, ending.signal);
  return () => {
    ending.abort();
    clearInterval(looking);
    pane.chart.destroy();
  };
}

/** Losses is the pane: the losses so far as a chart, and how far the training is. */
class Losses {
  constructor({ model, run, begun, ended }) {
    Object.assign(this, { model, run, begun, ended });
    this.note = new Note();
    this.facts = redrawn(h("dl", { class: "facts-list" }), () => this.write());
    this.place = h("div");
    this.bar = h("progress", { max: 1, value: 0 });
    this.metrics = [];
    this.log = 2; // the base of the axis; 0: it is not logarithmic
    this.state = { training: run.training, steps: run.steps };
    this.axis = toggle({ key: "runs.loss.log", value: true, on: () => this.draw() });
    this.make();
  }

  /** parts are the elements of the pane. */
  parts() {
    return [h("div", { class: "columns wide-left" },
      h("div", { class: "card" }, h("div", { class: "row" }, say(h("h2"), "runs.loss"), this.axis.el), this.place,
        this.note.el),
      h("div", { class: "card" }, say(h("h2"), "runs.pane.training"), this.facts)),
    h("details", { class: "card" }, say(h("summary"), "runs.settings"), h("pre", { tabindex: 0 }, this.run.settings))];
  }

  /** make makes a chart for the axis. */
  make() {
    this.chart?.destroy();
    this.chart = new Chart({
      name: "runs.loss.chart", height: 320, x: { key: "runs.loss.step" }, y: { key: "runs.loss", log: this.log },
      series: [
        // Few losses are marks, too: of one alone there is no line.
        { key: "runs.loss.train", color: "field", width: 1.5, points: (u) => u.data[0].length < 12 },
        { key: "runs.loss.val", color: "data", points: true, dash: [6, 4], width: 1.5, span: true },
      ],
    });
    this.place.replaceChildren(this.chart.el);
  }

  /** base is what suits the losses: powers of ten are too far apart for most. */
  base() {
    const all = this.metrics.flatMap((m) => [m.loss, m.val_loss ?? m.loss]);
    const [lo, hi] = [Math.min(...all), Math.max(...all)];
    return !this.axis.value || lo <= 0 ? 0 : hi / lo > 100 ? 10 : 2;
  }

  draw() {
    const { metrics } = this;
    if (metrics.length === 0) return;
    const base = this.base();
    if (this.log !== base) {
      this.log = base;
      this.make();
    }
    this.chart.show([metrics.map((m) => m.step), smooth(metrics.map((m) => m.loss), metrics.length > 200 ? 5 : 1),
      metrics.map((m) => m.val_loss ?? null)]);
  }

  /** write writes what is known of the training. */
  write() {
    const { metrics, state, model } = this;
    const last = metrics.at(-1);
    const best = metrics.filter((m) => m.val_loss != null).sort((a, b) => a.val_loss - b.val_loss)[0];
    const left = state.training && last ? (last.seconds / last.step) * (state.steps - last.step) : null;
    const fact = (key, ...value) => [say(h("dt"), key), h("dd", {}, ...value)];
    const n = (x) => x.toLocaleString("en");
    this.bar.value = last ? Math.min(1, last.step / state.steps) : 0;
    this.facts.replaceChildren(...[
      fact("runs.data", this.run.data),
      fact("runs.progress", t("runs.progress.of", { step: n(last?.step ?? 0), steps: n(state.steps) }), this.bar),
      last && fact("runs.time", duration(last.seconds)),
      left !== null && fact("runs.left", duration(left)),
      last?.rate && fact("runs.rate", n(Math.round(last.rate))),
      best && fact("runs.best", t("runs.best.at", { loss: number(best.val_loss, 4), step: n(best.step) })),
      model.path && fact("runs.path", model.path),
      model.solver && fact("runs.solver", model.solver),
    ].filter(Boolean).flat());
  }

  /** add takes the next metrics. A training that began again has its steps again. */
  add(more) {
    const { metrics } = this;
    const from = more.metrics[0]?.step;
    while (from !== undefined && metrics.length > 0 && metrics.at(-1).step >= from) metrics.pop();
    metrics.push(...more.metrics);
    this.state = more;
    this.draw();
    this.write();
    if (more.training) this.begun();
    else this.ended();
  }

  /** watch returns the task that follows the training until it is over. */
  watch(signal) {
    return this.note.task(async () => {
      await follow(this.model.name, (more) => this.add(more), signal,
        (e) => (e ? this.note.fail(e) : this.note.clear()));
      if (this.metrics.length === 0) {
        this.place.replaceChildren(say(h("p", { class: "muted" }), "runs.loss.none"));
      }
    }, { quiet: true });
  }
}

/** watching watches a training, and watches again what is over but is taken up again. */
async function watching(watch, model, signal) {
  await watch();
  while (!signal.aborted) {
    try {
      await sleep(5, signal);
      const now = await get(path(model.name, "metrics"), { points: 2 }, signal);
      if (now.training) await watch();
    } catch { /* it is over, or the service is away: then it is looked for again */ }
  }
}

/** untrainedWatch opens the run again as soon as it has a checkpoint. */
function untrainedWatch(model, again, signal) {
  if (!model.untrained) return 0;
  return setInterval(async () => {
    try {
      if (!(await get(path(model.name, "").slice(0, -1), {}, signal)).untrained) again();
    } catch { /* the note of the pane says it */ }
  }, 2000);
}
