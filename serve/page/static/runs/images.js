// The pane of images: a grid by class that forms from noise.
import { button, slider } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";
import { Conditions, seed, time } from "./controls.js";
import { most, paint, tile } from "./pixels.js";
import { Note, stream } from "./service.js";
import { solve } from "./solve.js";

strings({
  en: {
    "runs.pane.images": "Images",
    "runs.images.about": "Every image starts as noise at $t=0$. Move the time to see where it comes from.",
    "runs.images.rows": "Images of each class", "runs.images.count": "Images", "runs.images.draw": "Draw",
    "runs.images.fewer": "Only {n} of {all} images: one request has no room for more of this size.",
  },
  zh: {
    "runs.pane.images": "图像", "runs.images.about": "每幅图像在 $t=0$ 时都是噪声。移动时间即可看到它的由来。",
    "runs.images.rows": "每类的图像数", "runs.images.count": "图像数", "runs.images.draw": "采样",
    "runs.images.fewer": "只有 {all} 幅中的 {n} 幅：这种大小的图像，一次请求放不下更多。",
  },
});

export const name = "images";
export const fits = ({ model }) => !model.untrained && Boolean(model.shape) && !model.condition;

const times = [0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 1];

export function open(place, { model, run }) {
  const note = new Note();
  const again = () => restart();
  const classes = model.classes ?? [];
  const conditions = new Conditions({ model, run }, again);
  const number_ = seed(again);
  const how = solve(again);
  const each = slider({ key: classes.length ? "runs.images.rows" : "runs.images.count", min: 1,
    max: classes.length ? 5 : 30,
    step: 1, value: classes.length ? 2 : 12, on: again });
  const clock = time(() => draw(), { value: 1, play: 3 });
  const grid = h("div", { class: "tiles" });
  const fewer = h("p", { class: "notice", hidden: true });
  let states = [];
  let tiles = [];

  /** layout puts a column for each class, with its name, or what fits. */
  function layout({ n, columns, labels, heads }) {
    grid.style.setProperty("--columns", columns);
    tiles = Array.from({ length: n }, (_, i) => tile(model.shape, [], labels?.[i] ?? String(i + 1)));
    const head = (l) => h("span", { class: "tile-name", "aria-hidden": "true" }, l);
    const names = heads ? labels.slice(0, columns).map(head) : [];
    grid.replaceChildren(...names, ...tiles);
  }

  /** plan says how many images are asked for, in whole rows where these are of classes, and how they stand. */
  function plan() {
    const mixed = classes.length > 1 && classes.length <= 20 && conditions.class === "";
    const all = mixed ? classes.length * each.value : each.value * (classes.length ? 5 : 1);
    let n = most(model.shape, all);
    if (mixed && n > classes.length) n -= n % classes.length;
    const columns = Math.min(n, mixed ? classes.length : Math.min(10, all));
    const labels = mixed ? Array.from({ length: n }, (_, i) => classes[i % classes.length])
      : conditions.class ? Array(n).fill(conditions.class) : null;
    return { n, all, columns, labels, heads: mixed };
  }

  function draw() {
    if (states.length === 0) return;
    let k = states.findIndex((s) => s.t >= clock.value - 1e-9);
    if (k < 0) k = states.length - 1;
    const [a, b] = [states[Math.max(0, k - 1)], states[k]];
    const share = k === 0 ? 1 : (clock.value - a.t) / (b.t - a.t);
    tiles.forEach((c, i) => paint(c, model.shape, b.x[i].map((v, d) => a.x[i][d] + share * (v - a.x[i][d]))));
  }

  const restart = note.task(async (signal) => {
    clock.stop();
    const how_ = plan();
    const { n, all } = how_;
    fewer.hidden = n === all;
    say(fewer, "runs.images.fewer", { n, all });
    states = [];
    let begun = false;
    await stream(model.name, { n, seed: number_.value, times, ...conditions.of(), ...how.how() }, (t, x) => {
      if (!begun) layout(how_);
      grid.classList.remove("stale");
      begun = true;
      states.push({ t, x });
      clock.value = t;
      draw();
    }, { signal, waiting: note.waiting });
  }, { shows: [grid] });

  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.images.about"), note.el, grid, fewer,
      h("div", { class: "under full" }, clock.el)),
    h("div", { class: "card side" }, number_.el, conditions.parts, each.el, how.parts,
      button({ key: "runs.images.draw", primary: true, on: again }))));
  restart();
  return () => {
    clock.stop();
    restart.stop();
  };
}
