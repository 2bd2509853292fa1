// 2. Change of variables, and the continuity equation.
import { slider } from "../ui/controls.js";
import { fixed, h } from "../ui/dom.js";
import { Plane, legend } from "../ui/plane.js";
import { laws, time } from "./common.js";
import { asker, density as picture, readout } from "./pane.js";

function figure(host) {
  const ask = () => request({ law: law.value, t: t.value, x: plane.at[0], y: plane.at[1], half: half.value });
  const plane = new Plane({ name: "density.picture", at: [0.9, 0.9], pick: ask });
  const numbers = readout([{ key: "density.rate", same: true }, { key: "density.flux", same: true },
    { key: "density.logp", same: true }, { key: "density.exact", same: true }, { key: "density.mass" },
    { key: "density.det" }]);
  const t = time(ask, 0.6);
  const law = laws(ask);
  const half = slider({ key: "density.half", min: 0.2, max: 2, step: 0.05, value: 0.8, on: ask,
    format: (v) => fixed(v) });
  host.append(h("div", { class: "stage" }, plane.el, legend([
    { mark: "scale", key: "mark.density" }, { mark: "arrow", color: "muted", key: "density.field" },
    { mark: "box", color: "data", key: "density.box" }, { mark: "line", color: "third", key: "density.way" }])),
  h("div", { class: "controls" }, t.el, half.el, law.el), numbers.el);
  const request = asker(host, "density", (a) => {
    const from = a.trace.states.slice(-2);
    plane.show([picture(a.density),
      { kind: "arrows", x: a.field.x, v: a.field.v, scale: 0.16, color: "muted", width: 1.2 },
      { kind: "box", box: a.box.box, color: "data", width: 2.5 },
      { kind: "lines", paths: [a.trace.states], color: "third", width: 2.5 },
      { kind: "points", x: from, shape: "circle", color: "third", size: 4.5 },
      { kind: "points", x: a.trace.states.slice(0, 2), shape: "diamond", color: "data", size: 5 }]);
    numbers.set([fixed(a.box.rate, 5), fixed(-a.box.flux, 5), fixed(a.trace.logp, 5),
      fixed(a.trace.exact, 5), fixed(a.box.mass, 4), fixed(a.trace.logdet, 4)]);
  });
  ask();
}

export const density = {
  id: "density", figure,
  equations: [["p_t(x) = p_0(\\phi_t^{-1}(x)) \\, \\det \\left[ \\frac{\\partial \\phi_t^{-1}}{\\partial x}(x) \\right]", "3"],
    ["\\frac{d}{dt} p_t(x) + \\div(p_t(x) v_t(x)) = 0", "4"]],
};
