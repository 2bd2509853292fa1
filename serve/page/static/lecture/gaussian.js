// 6. Gaussian conditional paths.
import { slider } from "../ui/controls.js";
import { fixed, h, number } from "../ui/dom.js";
import { Plane, legend } from "../ui/plane.js";
import { draw, paths, time } from "./common.js";
import { asker, density, readout, ways } from "./pane.js";

function figure(host) {
  const ask = () => {
    const noWidth = path.value === "vp"; // its variance is set by that of the data
    least.input.disabled = noWidth;
    request({ path: path.value, t: t.value, x: plane.at[0], y: plane.at[1], sigma_min: noWidth ? null : least.value,
      seed: again.seed() });
  };
  const plane = new Plane({ name: "gaussian.picture", at: [2, 1.4], pick: ask });
  const t = time(ask, 0.6);
  const path = paths(ask);
  const least = slider({ key: "gaussian.sigmamin", min: 0.02, max: 0.8, step: 0.02, value: 0.12, on: ask,
    format: (v) => fixed(v) });
  const again = draw(ask);
  const numbers = readout([{ key: "gaussian.mu" }, { key: "gaussian.sigma" }, { key: "gaussian.gap" }]);
  host.append(h("div", { class: "stage" }, plane.el, legend([
    { mark: "scale", key: "mark.density" }, { mark: "arrow", color: "muted", key: "gaussian.field" },
    { mark: "circle", color: "field", key: "gaussian.draws" },
    { mark: "diamond", color: "data", key: "gaussian.x1" }])),
  h("div", { class: "controls" }, t.el, path.el, least.el, again.el), numbers.el);
  const request = asker(host, "gaussian", (a, q) => {
    const now = a.states.slice(-2 * a.n);
    plane.show([density(a.density),
      { kind: "arrows", x: a.field.x, v: a.field.v, scale: 0.08, color: "muted", width: 1.1, alpha: 0.85 },
      { kind: "lines", paths: ways(a.times, a.states, a.n), color: "field", width: 1.5, alpha: 0.7 },
      { kind: "points", x: a.states.slice(0, 2 * a.n), color: "noise", size: 2.5 },
      { kind: "points", x: now, color: "field", size: 4 },
      { kind: "points", x: [q.x, q.y], shape: "diamond", color: "data", size: 6.5 }]);
    numbers.set([`(${fixed(a.mu[0])}, ${fixed(a.mu[1])})`, fixed(a.sigma, 3), a.gap === 0 ? "0" : number(a.gap, 2)]);
  });
  ask();
}

export const gaussian = {
  id: "gaussian", figure,
  equations: [["p_t(x|x_1) = \\mathcal{N}(x | \\mu_t(x_1), \\sigma_t(x_1)^2 I)", "10"],
    ["\\psi_t(x) = \\sigma_t(x_1) x + \\mu_t(x_1)", "11"],
    ["\\psi_t^{-1}(y) = \\frac{y - \\mu_t(x_1)}{\\sigma_t(x_1)}", "13"],
    ["u_t(x|x_1) = \\frac{\\sigma'_t(x_1)}{\\sigma_t(x_1)} (x - \\mu_t(x_1)) + \\mu'_t(x_1)", "12"]],
};
