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

/** open shows a grid of images; it returns what ends its work. */
export function open(place, of) {
  const grid = new Grid(of);
  place.append(grid.parts());
  grid.restart();
  return () => grid.end();
}

/** Grid is the pane: images of each class in columns, at a time. */
class Grid {
  constructor({ model, run }) {
    this.model = model;
    this.classes = model.classes ?? [];
    this.note = new Note();
    const again = () => this.restart();
    const many = this.classes.length > 0;
    this.conditions = new Conditions({ model, run }, again);
    this.seed = seed(again);
    this.how = solve(again);
    this.each = slider({ key: many ? "runs.images.rows" : "runs.images.count", min: 1, max: many ? 5 : 30, step: 1,
      value: many ? 2 : 12, on: again });
    this.clock = time(() => this.draw(), { value: 1, play: 3 });
    this.grid = h("div", { class: "tiles" });
    this.fewer = h("p", { class: "notice", hidden: true });
    this.states = [];
    this.tiles = [];
    this.restart = this.note.task((signal) => this.begin(signal), { shows: [this.grid] });
  }

  /** parts are the elements of the pane. */
  parts() {
    return h("div", { class: "columns" },
      h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.images.about"), this.note.el, this.grid,
        this.fewer, h("div", { class: "under full" }, this.clock.el)),
      h("div", { class: "card side" }, this.seed.el, this.conditions.parts, this.each.el, this.how.parts,
        button({ key: "runs.images.draw", primary: true, on: () => this.restart() })));
  }

  /** layout puts a column for each class, with its name, or what fits. */
  layout({ n, columns, labels, heads }) {
    this.grid.style.setProperty("--columns", columns);
    this.tiles = Array.from({ length: n }, (_, i) => tile(this.model.shape, [], labels?.[i] ?? String(i + 1)));
    const head = (l) => h("span", { class: "tile-name", "aria-hidden": "true" }, l);
    const names = heads ? labels.slice(0, columns).map(head) : [];
    this.grid.replaceChildren(...names, ...this.tiles);
  }

  /** plan says how many images are asked for, in whole rows where these are of classes, and how they stand. */
  plan() {
    const { classes, conditions, each, model } = this;
    const mixed = classes.length > 1 && classes.length <= 20 && conditions.class === "";
    const all = mixed ? classes.length * each.value : each.value * (classes.length ? 5 : 1);
    let n = most(model.shape, all);
    if (mixed && n > classes.length) n -= n % classes.length;
    const columns = Math.min(n, mixed ? classes.length : Math.min(10, all));
    const labels = mixed ? Array.from({ length: n }, (_, i) => classes[i % classes.length])
      : conditions.class ? Array(n).fill(conditions.class) : null;
    return { n, all, columns, labels, heads: mixed };
  }

  draw() {
    const { states, clock, model } = this;
    if (states.length === 0) return;
    let k = states.findIndex((s) => s.t >= clock.value - 1e-9);
    if (k < 0) k = states.length - 1;
    const [a, b] = [states[Math.max(0, k - 1)], states[k]];
    const share = k === 0 ? 1 : (clock.value - a.t) / (b.t - a.t);
    this.tiles.forEach((c, i) =>
      paint(c, model.shape, b.x[i].map((v, d) => a.x[i][d] + share * (v - a.x[i][d]))));
  }

  async begin(signal) {
    this.clock.stop();
    const plan = this.plan();
    const { n, all } = plan;
    this.fewer.hidden = n === all;
    say(this.fewer, "runs.images.fewer", { n, all });
    this.states = [];
    let begun = false;
    const body = { n, seed: this.seed.value, times, ...this.conditions.of(), ...this.how.how() };
    await stream(this.model.name, body, (t, x) => {
      if (!begun) this.layout(plan);
      this.grid.classList.remove("stale");
      begun = true;
      this.states.push({ t, x });
      this.clock.value = t;
      this.draw();
    }, { signal, waiting: this.note.waiting });
  }

  end() {
    this.clock.stop();
    this.restart.stop();
  }
}
