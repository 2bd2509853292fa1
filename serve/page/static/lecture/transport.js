// 8. Optimal transport paths, pairs, and the cost of a sample.
import { Chart } from "../ui/chart.js";
import { choice, slider } from "../ui/controls.js";
import { fixed, h } from "../ui/dom.js";
import { say } from "../ui/lang.js";
import { Plane, legend } from "../ui/plane.js";
import { draw, laws, paths, time } from "./common.js";
import { asker, at, readout, ways } from "./pane.js";

function figure(host) {
  let last = null;
  const plane = new Plane({ name: "transport.picture" });
  const cost = new Chart({ name: "transport.costpicture", height: 300, x: { key: "transport.nfename", log: 2 },
    y: { key: "transport.errorname", log: 10 },
    series: [{ key: "path.ot", color: "field", points: true },
      { key: "path.vp", color: "data", dash: [8, 4], points: true },
      { key: "path.ve", color: "second", dash: [2, 4], points: true }] });
  const paint = () => {
    if (!last) return;
    plane.show([
      { kind: "lines", paths: ways(last.times, last.states, last.n), color: "field", width: 1.2, alpha: 0.55 },
      { kind: "points", x: last.noise, color: "noise", size: 3.2 },
      { kind: "points", x: last.data, shape: "diamond", color: "data", size: 3.6 },
      { kind: "points", x: at(last.times, last.states, 2 * last.n, t.value), shape: "square", color: "field",
        size: 3.2 }]);
  };
  const ask = () => {
    request({ law: law.value, coupling: pairs.value, path: path.value, points: batch.value, seed: again.seed() });
  };
  const t = time(paint, 0.5, 4);
  const pairs = choice({ key: "transport.coupling", value: "independent", on: ask,
    options: [{ value: "independent", key: "transport.independent" }, { value: "ot", key: "transport.ot" }] });
  const path = paths(ask, ["ot", "vp"]);
  const batch = slider({ key: "transport.points", min: 2, max: 128, step: 2, value: 32, on: ask });
  const measure = () => costs({ law: law.value, seed: again.seed() });
  const both = () => {
    ask();
    measure();
  };
  const law = laws(both, "ring");
  const again = draw(both);
  const numbers = readout([{ key: "transport.distance" }, { key: "transport.independentdistance" }]);
  host.append(h("div", { class: "duo" },
    h("div", {}, say(h("h3"), "transport.pairs"), plane.el, legend([
      { mark: "circle", color: "noise", key: "mark.noise" }, { mark: "diamond", color: "data", key: "mark.data" },
      { mark: "line", color: "field", key: "transport.lines" },
      { mark: "square", color: "field", key: "transport.now" }])),
    h("div", {}, say(h("h3"), "transport.cost"), cost.el, numbers.el)),
  h("div", { class: "controls" }, t.el, pairs.el, path.el, batch.el, law.el, again.el));
  const request = asker(host, "pairs", (a) => {
    last = a;
    numbers.set([fixed(a.distance), fixed(a.independent)]);
    paint();
  });
  const costs = asker(host, "cost", (a) => cost.show([a.nfe, a.errors.ot, a.errors.vp, a.errors.ve]));
  both();
}

export const transport = {
  id: "transport", figure, wide: true,
  equations: [["p_t(x|x_1) = \\mathcal{N}(x | t x_1, (1 - (1 - \\sigma_{\\min}) t)^2 I)", ""],
    ["\\psi_t(x) = (1 - (1 - \\sigma_{\\min}) t) x + t x_1", "14"],
    ["u_t(x|x_1) = \\frac{x_1 - (1 - \\sigma_{\\min}) x}{1 - (1 - \\sigma_{\\min}) t}", ""],
    ["\\mathcal{L}_{\\text{CFM}}(\\theta) = \\mathbb{E}_{t, q(x_1), p_0(x_0)} \\Vert v_t(\\psi_t(x_0), \\theta) - \\frac{d}{dt} \\psi_t(x_0) \\Vert^2", ""],
    ["\\frac{d}{dt} \\psi_t(x_0) = x_1 - (1 - \\sigma_{\\min}) x_0", ""]],
};
