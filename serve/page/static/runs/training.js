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

export function open(place, { model, run, again, begun, ended }) {
  const note = new Note();
  const facts = h("dl", { class: "facts-list" });
  const chartPlace = h("div");
  const bar = h("progress", { max: 1, value: 0 });
  const metrics = [];
  let log = 2; // the base of the axis; 0: it is not logarithmic
  let state = { training: run.training, steps: run.steps };
  const ending = new AbortController();

  let chart = null;
  const make = () => {
    chart?.destroy();
    chart = new Chart({
      name: "runs.loss.chart", height: 320, x: { key: "runs.loss.step" }, y: { key: "runs.loss", log },
      series: [
        // Few losses are marks, too: of one alone there is no line.
        { key: "runs.loss.train", color: "field", width: 1.5, points: (u) => u.data[0].length < 12 },
        { key: "runs.loss.val", color: "data", points: true, dash: [6, 4], width: 1.5, span: true },
      ],
    });
    chartPlace.replaceChildren(chart.el);
  };
  /** baseOf is the base that suits the losses: powers of ten are too far apart for most. */
  const baseOf = () => {
    const all = metrics.flatMap((m) => [m.loss, m.val_loss ?? m.loss]);
    const [lo, hi] = [Math.min(...all), Math.max(...all)];
    return !axis.value || lo <= 0 ? 0 : hi / lo > 100 ? 10 : 2;
  };
  const draw = () => {
    if (metrics.length === 0) return;
    const base = baseOf();
    if (log !== base) {
      log = base;
      make();
    }
    chart.show([metrics.map((m) => m.step), smooth(metrics.map((m) => m.loss), metrics.length > 200 ? 5 : 1),
      metrics.map((m) => m.val_loss ?? null)]);
  };
  const rows = () => {
    const last = metrics.at(-1);
    const best = metrics.filter((m) => m.val_loss != null).sort((a, b) => a.val_loss - b.val_loss)[0];
    const left = state.training && last ? (last.seconds / last.step) * (state.steps - last.step) : null;
    const fact = (key, ...value) => [say(h("dt"), key), h("dd", {}, ...value)];
    bar.value = last ? Math.min(1, last.step / state.steps) : 0;
    facts.replaceChildren(...[
      fact("runs.data", run.data),
      fact("runs.progress", t("runs.progress.of", {
        step: (last?.step ?? 0).toLocaleString("en"), steps: state.steps.toLocaleString("en") }), bar),
      last && fact("runs.time", duration(last.seconds)),
      left !== null && fact("runs.left", duration(left)),
      last?.rate && fact("runs.rate", Math.round(last.rate).toLocaleString("en")),
      best && fact("runs.best", t("runs.best.at", { loss: number(best.val_loss, 4),
        step: best.step.toLocaleString("en") })),
      model.path && fact("runs.path", model.path),
      model.solver && fact("runs.solver", model.solver),
    ].filter(Boolean).flat());
  };
  const axis = toggle({ key: "runs.loss.log", value: true, on: () => draw() });

  make();
  rows();
  redrawn(facts, rows);
  place.append(h("div", { class: "columns wide-left" },
    h("div", { class: "card" }, h("div", { class: "row" }, say(h("h2"), "runs.loss"), axis.el), chartPlace, note.el),
    h("div", { class: "card" }, say(h("h2"), "runs.pane.training"), facts)),
  h("details", { class: "card" }, say(h("summary"), "runs.settings"), h("pre", { tabindex: 0 }, run.settings)));

  const watch = note.task(async () => {
    await follow(model.name, (more) => {
      // A training that began again has its steps again.
      const from = more.metrics[0]?.step;
      while (from !== undefined && metrics.length > 0 && metrics.at(-1).step >= from) metrics.pop();
      metrics.push(...more.metrics);
      state = more;
      draw();
      rows();
      if (more.training) begun();
      else ended();
    }, ending.signal, (e) => (e ? note.fail(e) : note.clear()));
    if (metrics.length === 0) chartPlace.replaceChildren(say(h("p", { class: "muted" }), "runs.loss.none"));
  }, { quiet: true });
  watching(watch, model, ending.signal);
  const looking = untrainedWatch(model, again, ending.signal);
  return () => {
    ending.abort();
    clearInterval(looking);
    chart.destroy();
  };
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
