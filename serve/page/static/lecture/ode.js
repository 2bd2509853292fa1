// 1. Neural ODE.
import { choice, slider } from "../ui/controls.js";
import { h, number } from "../ui/dom.js";
import { Plane, legend } from "../ui/plane.js";
import { draw, time } from "./common.js";
import { asker, at, readout, ways } from "./pane.js";

function figure(host) {
  const plane = new Plane({ name: "ode.picture", box: [-3, 3, -3, 3] });
  let last = null;
  const paint = () => {
    if (!last) return;
    const { n, exact, euler, control } = last;
    const now = t.value;
    const steps_ = control.times.flatMap((s, k) => (s <= now ? control.states.slice(2 * n * k, 2 * n * (k + 1)) : []));
    plane.show([
      { kind: "lines", paths: ways(exact.times, exact.states, n, now), color: "field", width: 4, alpha: 0.3 },
      { kind: "lines", paths: ways(euler.times, euler.states, n, now), color: "data", width: 1.5, dash: [6, 3] },
      { kind: "points", x: euler.states.slice(0, 2 * n), shape: "circle", color: "noise", size: 3 },
      { kind: "points", x: steps_, shape: "square", color: "second", size: 2.6 },
      { kind: "points", x: at(exact.times, exact.states, 2 * n, now), shape: "circle", color: "field", size: 4.5 },
      { kind: "points", x: at(euler.times, euler.states, 2 * n, now), shape: "diamond", color: "data", size: 4 },
    ]);
  };
  const numbers = readout([{ key: "ode.eulernfe" }, { key: "ode.eulererror" }, { key: "ode.controlnfe" },
    { key: "ode.controlerror" }]);
  const ask = () => request({ field: field.value, steps: steps.value, digits: digits.value, seed: again.seed() });
  const field = choice({ key: "ode.field", value: "flow", on: ask,
    options: [{ value: "flow", key: "ode.flow" }, { value: "turn", key: "ode.turn" }] });
  const steps = slider({ key: "ode.steps", min: 1, max: 64, step: 1, value: 6, on: ask });
  const digits = slider({ key: "ode.digits", min: 1, max: 8, step: 0.5, value: 3, on: ask,
    format: (v) => number(10 ** -v, 2) });
  const t = time(paint, 1, 4);
  const again = draw(ask);
  host.append(h("div", { class: "stage" }, plane.el, legend([
    { mark: "circle", color: "noise", key: "mark.noise" }, { mark: "circle", color: "field", key: "ode.exact" },
    { mark: "diamond", color: "data", key: "ode.euler" }, { mark: "square", color: "second", key: "ode.control" }])),
  h("div", { class: "controls" }, t.el, steps.el, digits.el, field.el, again.el), numbers.el);
  const request = asker(host, "ode", (answer) => {
    last = answer;
    numbers.set([String(answer.euler.nfe), number(answer.euler.error), String(answer.control.nfe),
      number(answer.control.error)]);
    paint();
  });
  ask();
}

export const ode = {
  id: "ode", figure,
  equations: [["\\frac{dx(t)}{dt} = f(x(t), t, \\theta)", "1"],
    ["\\frac{d\\phi_t(x)}{dt} = v(\\phi_t(x)), \\quad \\phi_0(x) = x", "2"],
    ["x(t+h) = x(t) + h \\, f(x(t), t, \\theta)", "Euler"]],
};
