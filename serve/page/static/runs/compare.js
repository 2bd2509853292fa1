// The pane that compares two solvers: the same noise, their samples and their paths side by side.
import { choice, select, slider } from "../ui/controls.js";
import { h, number } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";
import { legend, Plane } from "../ui/plane.js";
import { Conditions, seed } from "./controls.js";
import { another, boxOf, columns, paths, trajectories } from "./scene.js";
import { Note, post } from "./service.js";
import { Space } from "./spaces.js";

strings({
  en: {
    "runs.pane.compare": "Solvers",
    "runs.compare.about": "The same noise, solved in two ways. The fewer evaluations of the network (NFE), the cheaper a sample.",
    "runs.compare.name": "Samples and paths of one solver", "runs.compare.solver": "Solver",
    "runs.compare.by": "Steps by",
    "runs.compare.steps": "equal steps", "runs.compare.tol": "tolerance", "runs.compare.nsteps": "Steps",
    "runs.compare.tolerance": "Tolerance", "runs.compare.nfe": "{n} evaluations a sample",
    "runs.compare.distance": "Distance of the samples of one solver from those of the other: on average {mean}, at most {most}",
    "runs.compare.nodistance": "Distances are not computed on this space.",
    "runs.compare.paths": "Paths", "runs.compare.a": "First solver", "runs.compare.b": "Second solver",
  },
  zh: {
    "runs.pane.compare": "求解器", "runs.compare.about": "同样的噪声，用两种方式求解。网络求值次数（NFE）越少，采样越便宜。",
    "runs.compare.name": "一种求解器的样本与路径", "runs.compare.solver": "求解器", "runs.compare.by": "步长由",
    "runs.compare.steps": "等分步数", "runs.compare.tol": "容差", "runs.compare.nsteps": "步数",
    "runs.compare.tolerance": "容差", "runs.compare.nfe": "每个样本 {n} 次求值",
    "runs.compare.distance": "两种求解器的样本之间的距离：平均 {mean}，最大 {most}",
    "runs.compare.nodistance": "此空间上不计算距离。", "runs.compare.paths": "路径",
    "runs.compare.a": "第一种求解器", "runs.compare.b": "第二种求解器",
  },
});

export const name = "compare";
export { fits } from "./flow.js"; // whatever has a picture of its flow

const solvers = ["euler", "midpoint", "heun2", "rk4", "bosh3", "dopri5", "tsit5", "dopri8"];
const adaptive = new Set(["heun2", "bosh3", "dopri5", "tsit5", "dopri8"]);

/** Side is one of the two solvers: its controls, and its picture. */
class Side {
  constructor(key, { solver, steps, tol }, on) {
    this.solver = select({ key: "runs.compare.solver", value: solver,
      options: solvers.map((s) => ({ value: s, text: s })),
      on: () => {
        this.fit();
        on();
      } });
    this.by = choice({ key: "runs.compare.by", value: tol ? "tol" : "steps", on: () => {
      this.fit();
      on();
    }, options: [{ value: "steps", key: "runs.compare.steps" }, { value: "tol", key: "runs.compare.tol" }] });
    this.steps = slider({ key: "runs.compare.nsteps", min: 1, max: 50, step: 1, value: steps ?? 10, on });
    this.tol = slider({ key: "runs.compare.tolerance", min: -8, max: -1, step: 0.5, value: Math.log10(tol ?? 1e-5), on,
      format: (v) => number(10 ** v, 2) });
    this.picture = h("div", { class: "picture" });
    this.nfe = h("p", { class: "reading" });
    this.el = h("div", { class: "card" }, say(h("h2"), key), h("div", { class: "controls" }, this.solver.el, this.by.el,
      this.steps.el, this.tol.el), this.picture, this.nfe);
    this.fit();
  }

  fit() {
    const can = adaptive.has(this.solver.value);
    if (!can) this.by.value = "steps";
    for (const input of this.by.el.querySelectorAll("input")) input.disabled = !can && input.value === "tol";
    const steps = this.by.value === "steps";
    this.steps.el.hidden = !steps;
    this.tol.el.hidden = steps;
  }

  how() {
    if (this.by.value === "steps") return { solver: this.solver.value, steps: this.steps.value };
    const tol = 10 ** this.tol.value;
    return { solver: this.solver.value, rtol: tol, atol: tol };
  }

  /** times are those of the steps, where these are equal: the path of a solver is a polygon. */
  times() {
    const n = this.by.value === "steps" ? this.steps.value : 32;
    return Array.from({ length: n + 1 }, (_, k) => k / n);
  }
}

/** open compares two solvers; it returns what ends its work. */
export function open(place, of) {
  const pair = new Pair(of);
  place.append(...pair.parts());
  pair.restart();
  return () => pair.restart.stop();
}

/** Pair is the pane: two sides, and how far apart their samples are. */
class Pair {
  constructor({ model, run }) {
    this.model = model;
    this.space = new Space({ model, run });
    this.note = new Note();
    const again = () => this.restart();
    this.sides = [new Side("runs.compare.a", { solver: "euler", steps: 4 }, again),
      new Side("runs.compare.b", { solver: "dopri5", tol: 1e-5 }, again)];
    this.conditions = new Conditions({ model, run }, again);
    this.seed = seed(again);
    this.distance = h("p", { class: "reading" });
    this.box = null;
    this.restart = this.note.task((signal) => this.solve(signal),
      { shows: [this.distance, ...this.sides.flatMap((s) => [s.picture, s.nfe])] });
  }

  /** parts are the elements of the pane. */
  parts() {
    return [h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.compare.about"),
      h("div", { class: "controls" }, this.seed.el, this.conditions.parts), this.distance, this.note.el,
      legend([{ mark: "circle", color: "data", key: "runs.compare.a" },
        { mark: "diamond", color: "second", key: "runs.compare.b" },
        { mark: "line", color: "noise", key: "runs.compare.paths" }])),
    h("div", { class: "columns even" }, this.sides.map((s) => s.el))];
  }

  async solve(signal) {
    const of = { seed: this.seed.value, ...this.conditions.of() };
    const options = { signal, waiting: this.note.waiting };
    const { pair, periods, ranges } = this.space;
    const got = await Promise.all(this.sides.map(async (side) => {
      const how = side.how();
      const samples = await post(this.model.name, "sample", { n: 400, with: ["nfe"], ...of, ...how }, options);
      const ways = await paths(this.model.name, { n: 48, times: side.times(), ...of, ...how }, pair,
        { periods, ...options });
      return { samples, ways };
    }));
    const box = boxOf({ states: [got[1].ways.states[0], columns(got[1].samples.x, pair)] }, pair.map((k) => ranges[k]));
    if (!this.box || another(box, this.box)) this.frame(box);
    this.sides.forEach((side, k) => this.draw(side, k, got[k]));
    this.measure(got.map(({ samples }) => samples.x));
  }

  /** frame makes pictures of another box. */
  frame(box) {
    this.box = box;
    const axes = this.space.pair.map((k) => this.model.columns[k]);
    for (const side of this.sides) {
      side.plane = new Plane({ box, axes, name: "runs.compare.name" });
      side.picture.replaceChildren(side.plane.el);
    }
  }

  draw(side, k, { samples, ways }) {
    side.plane.show([
      { kind: "lines", color: "noise", width: 1, alpha: 0.6, paths: trajectories(ways, ways.states[0].length / 2) },
      { kind: "points", x: columns(samples.x, this.space.pair), color: k ? "second" : "data",
        shape: k ? "diamond" : "circle", size: 2.6 },
    ]);
    say(side.nfe, "runs.compare.nfe", { n: samples.nfe });
  }

  /** measure says how far apart the samples are of the same noise. */
  measure([a, b]) {
    const far = a.map((row, i) => this.space.distance(row, b[i]));
    if (far.includes(null)) {
      say(this.distance, "runs.compare.nodistance");
      return;
    }
    const write = (v) => number(v) + (this.space.degrees ? "°" : "");
    say(this.distance, "runs.compare.distance", { mean: write(far.reduce((x, y) => x + y, 0) / far.length),
      most: write(Math.max(...far)) });
  }
}
