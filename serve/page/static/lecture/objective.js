// 5. FM and CFM.
import { Chart } from "../ui/chart.js";
import { slider } from "../ui/controls.js";
import { fixed, h, number } from "../ui/dom.js";
import { say } from "../ui/lang.js";
import { draw } from "./common.js";
import { asker, readout } from "./pane.js";

function figure(host) {
  const losses = new Chart({ name: "objective.picture", x: { key: "objective.sname" }, y: { key: "objective.lossname" },
    series: [{ key: "objective.fmname", color: "field" }, { key: "objective.cfmname", color: "data", dash: [8, 5] }] });
  const gap = new Chart({ name: "objective.picture2", x: { key: "objective.drawsname", log: 2 },
    y: { key: "objective.gradname", log: 10 },
    series: [{ key: "objective.difference", color: "third", points: true, width: 1.5 },
      { key: "objective.error", color: "muted", dash: [8, 5] }] });
  const ask = () => request({ log2n: n.value, s: s.value, seed: again.seed() });
  const n = slider({ key: "objective.n", min: 4, max: 13, step: 1, value: 11, on: ask, format: (v) => String(2 ** v) });
  const s = slider({ key: "objective.s", min: -1, max: 2, step: 0.05, value: 0.2, on: ask, format: (v) => fixed(v) });
  const again = draw(ask);
  const numbers = readout([{ key: "objective.gap", same: true }, { key: "objective.const", same: true },
    { key: "objective.ratio" }]);
  host.append(
    h("div", { class: "duo" }, h("div", {}, say(h("h3"), "objective.losses"), losses.el),
      h("div", {}, say(h("h3"), "objective.gradients"), gap.el)),
    h("div", { class: "controls" }, n.el, s.el, again.el), numbers.el);
  const request = asker(host, "objective", (a, q) => {
    losses.at(q.s);
    losses.show([a.s, a.fm, a.cfm]);
    gap.show([a.draws, a.difference, a.std_error]);
    numbers.set([fixed(a.cfm_at - a.fm_at, 3), fixed(a.const, 3), number(a.difference.at(-1) / a.std_error.at(-1), 3)]);
  });
  ask();
}

export const objective = {
  id: "objective", figure, wide: true,
  equations: [["\\mathcal{L}_{\\text{CFM}}(\\theta) = \\mathbb{E}_{t, q(x_1), p_t(x|x_1)} \\Vert v_t(x, \\theta) - u_t(x|x_1) \\Vert^2", "9"],
    ["\\mathcal{L}_{\\text{CFM}}(\\theta) = \\mathcal{L}_{\\text{FM}}(\\theta) + \\text{const}, \\quad \\nabla_\\theta \\mathcal{L}_{\\text{CFM}} = \\nabla_\\theta \\mathcal{L}_{\\text{FM}}", ""]],
};
