// The controls of a solve of images: a few steps of a simple solver.
import { select, slider } from "../ui/controls.js";
import { strings } from "../ui/lang.js";

strings({
  en: { "runs.solve.steps": "Steps", "runs.solve.solver": "Solver" },
  zh: { "runs.solve.steps": "步数", "runs.solve.solver": "求解器" },
});

export function solve(on, { steps = 12 } = {}) {
  const count = slider({ key: "runs.solve.steps", min: 1, max: 50, step: 1, value: steps, on });
  const solver = select({ key: "runs.solve.solver", value: "midpoint", on,
    options: ["euler", "midpoint", "heun2", "rk4"].map((s) => ({ value: s, text: s })) });
  return { parts: [solver.el, count.el], how: () => ({ solver: solver.value, steps: count.value }) };
}
