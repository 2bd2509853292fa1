// The pane of super-resolution: a small image is painted or brought, and the flow draws large ones that fit it.
import { button, choice, slider } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { label, say, strings } from "../ui/lang.js";
import { chooser } from "./chooser.js";
import { Conditions, seed } from "./controls.js";
import { Easel } from "./easel.js";
import { read, tile } from "./pixels.js";
import { Note, post } from "./service.js";
import { solve } from "./solve.js";

strings({
  en: {
    "runs.pane.enlarge": "Super-resolution",
    "runs.enlarge.about": "Paint a small image, or bring one of yours: the flow draws images {factor} times as wide and high that become it when they are shrunk, nearly.",
    "runs.enlarge.paint": "Small image to paint. Arrow keys move the brush, space paints.",
    "runs.enlarge.ink": "Paint", "runs.enlarge.light": "light", "runs.enlarge.dark": "dark",
    "runs.enlarge.brush": "Brush", "runs.enlarge.clear": "Clear", "runs.enlarge.ring": "Ring",
    "runs.enlarge.go": "Enlarge", "runs.enlarge.count": "Images", "runs.enlarge.results": "Enlarged images",
  },
  zh: {
    "runs.pane.enlarge": "超分辨率",
    "runs.enlarge.about": "画一幅小图，或选择你自己的图像：流会画出宽高各为 {factor} 倍的图像，缩小后与它大致相同。",
    "runs.enlarge.paint": "可绘制的小图。方向键移动画笔，空格键绘制。",
    "runs.enlarge.ink": "颜色", "runs.enlarge.light": "亮", "runs.enlarge.dark": "暗",
    "runs.enlarge.brush": "画笔", "runs.enlarge.clear": "清除", "runs.enlarge.ring": "圆环",
    "runs.enlarge.go": "放大", "runs.enlarge.count": "图像数", "runs.enlarge.results": "放大的图像",
  },
});

export const name = "enlarge";
export const fits = ({ model }) => !model.untrained && /^superres, factor \d+$/.test(model.condition ?? "");

/** open shows the pane; it returns what ends its work. */
export function open(place, of) {
  const pane = new Enlarging(of);
  place.append(pane.parts());
  pane.ring();
  return () => [pane.load, pane.go].forEach((task) => task.stop());
}

/** Enlarging is the pane: a small image, and large ones that fit it. */
class Enlarging {
  constructor({ model, run }) {
    this.model = model;
    this.factor = Number(/\d+$/.exec(model.condition)[0]);
    const [high, wide, channels = 1] = model.shape;
    this.shape = [high / this.factor, wide / this.factor, channels];
    this.note = new Note();
    this.conditions = new Conditions({ model, run }, () => {}, { all: false });
    this.seed = seed(() => this.go());
    this.how = solve(() => {}, { steps: 20 });
    this.count = slider({ key: "runs.enlarge.count", min: 1, max: 10, step: 1, value: 6 });
    this.brush = slider({ key: "runs.enlarge.brush", min: 1, max: Math.max(2, Math.floor(this.shape[1] / 4)), step: 1,
      value: Math.max(1, Math.round(this.shape[1] / 8)) });
    this.ink = choice({ key: "runs.enlarge.ink", value: "1",
      options: [{ value: "1", key: "runs.enlarge.light" }, { value: "-1", key: "runs.enlarge.dark" }] });
    this.easel = new Easel({ shape: this.shape, width: () => this.brush.value, name: "runs.enlarge.paint",
      ink: () => Number(this.ink.value) });
    this.results = label(h("div", { class: "tiles" }), "runs.enlarge.results");
    this.results.style.setProperty("--columns", 3);
    this.load = this.note.task((signal, from) => this.take(signal, from));
    this.go = this.note.task((signal) => this.draw(signal), { shows: [this.results] });
  }

  /** parts are the elements of the pane. */
  parts() {
    const clear = () => this.fill(() => -1);
    return h("div", { class: "columns" },
      h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.enlarge.about", { factor: this.factor }),
        this.note.el, h("div", { class: "paint" }, this.easel.el, this.results)),
      h("div", { class: "card side" },
        h("div", { class: "buttons" }, button({ key: "runs.enlarge.clear", on: clear }),
          button({ key: "runs.enlarge.ring", on: () => this.ring() })), this.ink.el, this.brush.el,
        button({ key: "runs.enlarge.go", primary: true, on: () => this.go() }), chooser(this.load),
        this.conditions.parts, this.seed.el, this.count.el, this.how.parts));
  }

  /** fill gives each pixel the value of(x, y). */
  fill(of) {
    const [high, wide, channels] = this.shape;
    this.easel.image = Array.from({ length: high * wide * channels }, (_, k) => {
      const p = Math.floor(k / channels);
      return of(p % wide, Math.floor(p / wide));
    });
  }

  /** ring is an image to begin with. */
  ring() {
    const [high, wide] = this.shape;
    this.fill((x, y) => {
      const far = Math.hypot((x + 0.5) / wide - 0.5, (y + 0.5) / high - 0.5);
      return 2 * Math.min(1, Math.max(0, 1.6 - 14 * Math.abs(far - 0.27))) - 1;
    });
    this.go();
  }

  /** take takes an image of the reader. It leaves the browser with a request. */
  async take(signal, from) {
    const values = await read(from, this.shape);
    if (signal.aborted) return;
    this.easel.image = values;
    this.go();
  }

  async draw(signal) {
    const body = { condition: [this.easel.image], n: this.count.value, seed: this.seed.value,
      ...this.conditions.of(), ...this.how.how() };
    const made = await post(this.model.name, "sample", body, { signal, waiting: this.note.waiting });
    this.results.replaceChildren(...made.x.map((v, k) => tile(this.model.shape, v, String(k + 1))));
  }
}
