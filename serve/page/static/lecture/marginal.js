// 3. The objective, and a path from noise to data.
import { choice, slider } from "../ui/controls.js";
import { fixed, h } from "../ui/dom.js";
import { Plane, legend } from "../ui/plane.js";
import { draw, laws, time } from "./common.js";
import { asker, density, readout } from "./pane.js";

function figure(host) {
  let data = [];
  let chosen = 0;
  const nearest = (x, y) => {
    let best = 0;
    const away = (i) => (data[2 * i] - x) ** 2 + (data[2 * i + 1] - y) ** 2;
    for (let i = 1; i < data.length / 2; i++) if (away(i) < away(best)) best = i;
    return best;
  };
  const plane = new Plane({ name: "marginal.picture", pick: (x, y) => {
    if (!data.length) return;
    chosen = nearest(x, y);
    show.value = "one";
    ask();
  } });
  const ask = () => {
    chosen = Math.min(chosen, points.value - 1);
    request({ law: law.value, points: points.value, only: show.value === "one" ? chosen : -1, t: t.value,
      seed: again.seed() });
  };
  const t = time(ask, 0.55);
  const points = slider({ key: "marginal.points", min: 1, max: 60, step: 1, value: 8, on: ask });
  const show = choice({ key: "marginal.show", value: "all", on: ask,
    options: [{ value: "all", key: "marginal.all" }, { value: "one", key: "marginal.one" }] });
  const law = laws(ask);
  const again = draw(ask);
  const numbers = readout([{ key: "marginal.alpha" }, { key: "marginal.sigma" }, { key: "marginal.count" }]);
  const key = h("div");
  const marks = (one) => key.replaceChildren(legend([
    { mark: "scale", key: "mark.density" }, { mark: "circle", color: "noise", key: "marginal.draws" },
    { mark: "diamond", color: "data", key: "mark.data" },
    ...(one ? [{ mark: "ring", color: "third", key: "marginal.chosen" }] : [])]));
  host.append(h("div", { class: "stage" }, plane.el, key),
    h("div", { class: "controls" }, t.el, points.el, show.el, law.el, again.el), numbers.el);
  const request = asker(host, "marginal", (a, q) => {
    data = a.data;
    marks(q.only >= 0);
    plane.show([density(a.density),
      { kind: "points", x: a.draws, color: "noise", size: 2.4, alpha: 0.9 },
      { kind: "points", x: a.data, shape: "diamond", color: "data", size: 4.5, alpha: q.only < 0 ? 1 : 0.55 },
      q.only >= 0 && { kind: "points", x: a.data.slice(2 * q.only, 2 * q.only + 2), shape: "ring", color: "third",
        size: 9 }]);
    numbers.set([fixed(a.alpha), fixed(a.sigma, 3), String(q.only < 0 ? q.points : 1)]);
  });
  ask();
}

export const marginal = {
  id: "marginal", figure,
  equations: [["\\mathcal{L}_{\\text{FM}}(\\theta) = \\mathbb{E}_{t, p_t(x)} \\Vert v_t(x, \\theta) - u_t(x) \\Vert^2",
    "5"],
    ["p_t(x) = \\int p_t(x|x_1) q(x_1) dx_1", "6"]],
};
