// The pane of interpolation: images of the noise on an arc between two noises.
import { slider } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";
import { Conditions, seed } from "./controls.js";
import { tile } from "./pixels.js";
import { Note, post } from "./service.js";
import { solve } from "./solve.js";

strings({
  en: {
    "runs.pane.interpolate": "Interpolation",
    "runs.interpolate.about": "Between two noises $z_a$ and $z_b$ lies an arc of noises that are as likely. The flow takes it to a path between two images.",
    "runs.interpolate.count": "Images", "runs.interpolate.pairs": "Pairs of noises",
  },
  zh: {
    "runs.pane.interpolate": "插值",
    "runs.interpolate.about": "两个噪声 $z_a$ 与 $z_b$ 之间的圆弧上，是同样可能的噪声。流把它变成两幅图像之间的一条路径。",
    "runs.interpolate.count": "图像数", "runs.interpolate.pairs": "噪声对数",
  },
});

export const name = "interpolate";
export const fits = ({ model }) => !model.untrained && Boolean(model.shape) && !model.condition && !model.bounds;

/** slerp returns the point at a share of the arc from a to b. */
export function slerp(a, b, share) {
  const dot = (x, y) => x.reduce((s, v, i) => s + v * y[i], 0);
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))));
  if (angle < 1e-6) return a.map((v, i) => v + share * (b[i] - v));
  const [wa, wb] = [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)];
  return a.map((v, i) => wa * v + wb * b[i]);
}

export function open(place, { model, run }) {
  const note = new Note();
  const again = () => restart();
  const conditions = new Conditions({ model, run }, again, { all: false });
  const number_ = seed(again);
  const how = solve(again);
  const count = slider({ key: "runs.interpolate.count", min: 3, max: 12, step: 1, value: 9, on: again });
  const pairs = slider({ key: "runs.interpolate.pairs", min: 1, max: 4, step: 1, value: 2, on: again });
  const strip = h("div", { class: "tiles" });

  const restart = note.task(async (signal) => {
    const options = { signal, waiting: note.waiting };
    // The noises of the seed; what one step makes of them is not looked at.
    const ends = await post(model.name, "sample", { n: 2 * pairs.value, seed: number_.value, with: ["noise"],
      ...conditions.of(), solver: "euler", steps: 1 }, options);
    const noise = [];
    for (let p = 0; p < pairs.value; p++) {
      for (let k = 0; k < count.value; k++) {
        noise.push(slerp(ends.noise[2 * p], ends.noise[2 * p + 1], k / (count.value - 1)));
      }
    }
    const made = await post(model.name, "sample", { n: noise.length, noise, ...conditions.of(), ...how.how() },
      options);
    strip.style.setProperty("--columns", count.value);
    strip.replaceChildren(...made.x.map((x, i) =>
      tile(model.shape, x, `${Math.floor(i / count.value) + 1}: ${(i % count.value) + 1}`)));
  }, { shows: [strip] });

  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.interpolate.about"), note.el, strip),
    h("div", { class: "card side" }, number_.el, conditions.parts, count.el, pairs.el, how.parts)));
  restart();
  return () => restart.stop();
}
