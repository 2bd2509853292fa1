// 7. VE and VP beside OT.
import { Chart } from "../ui/chart.js";
import { h } from "../ui/dom.js";
import { say } from "../ui/lang.js";
import { Plane, legend } from "../ui/plane.js";
import { draw, laws, time } from "./common.js";
import { asker, at, ways } from "./pane.js";

const names = ["ot", "vp", "ve"];
const series = [{ key: "path.ot", color: "field" }, { key: "path.vp", color: "data", dash: [8, 4] },
  { key: "path.ve", color: "second", dash: [2, 4] }];

function figure(host) {
  let last = null;
  const planes = names.map((n) => new Plane({ name: `diffusion.picture${n}` }));
  const costs = names.map(() => h("span", { class: "muted" }));
  const alpha = new Chart({ name: "diffusion.factor", height: 200, x: { key: "diffusion.timename" },
    y: { key: "diffusion.alphaname" }, series });
  const sigma = new Chart({ name: "diffusion.width", height: 200, x: { key: "diffusion.timename" },
    y: { key: "diffusion.sigmaname", log: 10 }, series });
  const paint = () => {
    if (!last) return;
    alpha.at(t.value);
    sigma.at(t.value);
    names.forEach((name, k) => {
      const { states } = last.paths[name];
      planes[k].show([
        { kind: "points", x: last.data, shape: "diamond", color: "data", size: 1.8, alpha: 0.45 },
        { kind: "lines", paths: ways(last.times, states, last.n, t.value), color: "field", width: 1, alpha: 0.35 },
        { kind: "points", x: at(last.times, states, 2 * last.n, t.value), color: "field", size: 3.2 }]);
    });
  };
  const ask = () => request({ law: law.value, seed: again.seed() });
  const t = time(paint, 0.5, 6);
  const law = laws(ask, "ring");
  const again = draw(ask);
  host.append(h("div", { class: "trio" }, names.map((n, k) =>
    h("div", {}, h("h3", {}, say(h("span"), `path.${n}`), costs[k]), planes[k].el))),
  legend([{ mark: "circle", color: "field", key: "diffusion.points" },
    { mark: "line", color: "field", key: "diffusion.way" },
    { mark: "diamond", color: "data", key: "diffusion.data" }]),
  h("div", { class: "controls" }, t.el, law.el, again.el),
  h("div", { class: "duo" }, h("div", {}, say(h("h3"), "diffusion.alpha"), alpha.el),
    h("div", {}, say(h("h3"), "diffusion.sigma"), sigma.el)));
  const request = asker(host, "diffusion", (a) => {
    last = a;
    alpha.show([a.times, ...names.map((n) => a.paths[n].alpha)]);
    sigma.show([a.times, ...names.map((n) => a.paths[n].sigma.map((v) => (v > 0 ? v : null)))]);
    names.forEach((n, k) => say(costs[k], "diffusion.nfe", { n: a.paths[n].nfe }));
    paint();
  });
  ask();
}

export const diffusion = {
  id: "diffusion", figure, wide: true,
  equations: [["p_t(x|x_1) = \\mathcal{N}(x | x_1, \\sigma_{1-t}^2 I)", "VE"],
    ["u_t(x|x_1) = - \\frac{\\sigma'_{1-t}}{\\sigma_{1-t}} (x - x_1)", "VE"],
    ["p_t(x|x_1) = \\mathcal{N}(x | \\alpha_{1-t} x_1, (1 - \\alpha_{1-t}^2) I)", "VP"],
    ["\\alpha_t = e^{-\\frac{1}{2} T(t)}, \\quad T(t) = \\int_0^{\\,\\,t} \\beta(s) \\, ds", "VP"],
    ["u_t(x|x_1) = \\frac{\\alpha'_{1-t}}{1 - \\alpha_{1-t}^2} (\\alpha_{1-t} x - x_1)", "VP"],
  ],
};
