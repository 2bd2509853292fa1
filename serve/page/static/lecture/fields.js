// 4. Conditional fields and their mean.
import { slider } from "../ui/controls.js";
import { fixed, h } from "../ui/dom.js";
import { say } from "../ui/lang.js";
import { Plane, legend } from "../ui/plane.js";
import { draw, time } from "./common.js";
import { asker, density, readout } from "./pane.js";

const names = "ABCDEFGHIJKL";
const reach = 0.45; // of an arrow at the point, in units of its velocity

function figure(host) {
  const ask = () => request({ law: "ring", points: points.value, t: t.value, x: plane.at[0], y: plane.at[1],
    seed: again.seed() });
  const plane = new Plane({ name: "fields.picture", at: [0.3, 0.5], pick: ask, hover: true });
  const t = time(ask, 0.45);
  const points = slider({ key: "fields.points", min: 2, max: 12, step: 1, value: 5, on: ask });
  const again = draw(ask, 23);
  const bars = h("ol", { class: "bars" });
  const numbers = readout([{ key: "fields.mean", same: true }, { key: "fields.exact", same: true }]);
  host.append(h("div", { class: "stage" }, plane.el, legend([
    { mark: "arrow", color: "data", key: "fields.conditional" },
    { mark: "arrow", color: "field", key: "fields.marginal" },
    { mark: "arrow", color: "muted", key: "fields.everywhere" },
    { mark: "diamond", color: "data", key: "mark.data" }])),
  h("div", { class: "controls" }, t.el, points.el, again.el), numbers.el, say(h("h3"), "fields.weights"), bars);
  const request = asker(host, "fields", (a, q) => {
    const n = a.weights.length;
    const here = Array.from({ length: n }, () => [q.x, q.y]).flat();
    plane.show([density(a.density),
      { kind: "arrows", x: a.field.x, v: a.field.v, scale: 0.1, color: "muted", width: 1, alpha: 0.85 },
      { kind: "lines", color: "data", width: 1, dash: [2, 4], alpha: 0.7,
        paths: a.weights.map((_, i) => [q.x, q.y, a.data[2 * i], a.data[2 * i + 1]]) },
      { kind: "points", x: a.data, shape: "diamond", color: "data", size: 5 },
      ...a.weights.map((_, i) => ({ kind: "text", x: [a.data[2 * i], a.data[2 * i + 1] + 0.34], text: names[i],
        bold: true })),
      { kind: "arrows", x: here, v: a.conditional, scale: reach, color: "data", widths: a.weights.map((w) => 1 + 4 * w),
        alphas: a.weights.map((w) => 0.65 + 0.35 * w) },
      { kind: "arrows", x: [q.x, q.y], v: a.marginal, scale: reach, color: "field", width: 4.5 },
      { kind: "points", x: [q.x, q.y], shape: "circle", color: "ink", size: 5 }]);
    numbers.set([a.mean, a.marginal].map((v) => `(${fixed(v[0], 3)}, ${fixed(v[1], 3)})`));
    bars.replaceChildren(...a.weights.map((w, i) => {
      const fill = h("span", { class: "fill" });
      fill.style.width = `${100 * w}%`;
      return h("li", {}, h("span", {}, names[i]), h("span", { class: "track" }, fill),
        h("span", { class: "number" }, fixed(w, 3)));
    }));
  });
  ask();
}

export const fields = {
  id: "fields", figure,
  equations: [["\\frac{d}{dt} p_t(x|x_1) = - \\div(p_t(x|x_1) u_t(x|x_1))", "7"],
    ["u_t(x) = \\int \\frac{u_t(x|x_1) p_t(x|x_1) q(x_1)}{p_t(x)} dx_1", "8"]],
};
