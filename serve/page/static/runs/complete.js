// The pane of completion: paint what is missing of an image, and see what may be there.
import { warned } from "../ui/api.js";
import { button, slider } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { label, Said, say, strings } from "../ui/lang.js";
import { chooser } from "./chooser.js";
import { Conditions, seed } from "./controls.js";
import { Easel } from "./easel.js";
import { read, tile } from "./pixels.js";
import { Note, post } from "./service.js";
import { solve } from "./solve.js";

strings({
  en: {
    "runs.pane.complete": "Completion",
    "runs.complete.about": "Paint over what is to be missing: the rest stays, and the flow draws what may be there.",
    "runs.complete.paint": "Image to paint on. Arrow keys move the brush, space paints.",
    "runs.complete.brush": "Brush", "runs.complete.clear": "Clear", "runs.complete.left": "Left half",
    "runs.complete.bottom": "Lower half",
    "runs.complete.middle": "Middle", "runs.complete.go": "Complete", "runs.complete.count": "Completions",
    "runs.complete.image": "Another image", "runs.complete.results": "Completions",
    "runs.complete.nothing": "Nothing is missing yet: paint over a part of the image.",
    "runs.complete.none": "There is no image to complete yet: take another, or one of your own.",
  },
  zh: {
    "runs.pane.complete": "补全",
    "runs.complete.about": "涂掉要缺失的部分：其余保持不变，流会画出那里可能有的内容。",
    "runs.complete.paint": "可涂抹的图像。方向键移动画笔，空格键涂抹。",
    "runs.complete.brush": "画笔", "runs.complete.clear": "清除", "runs.complete.left": "左半", "runs.complete.bottom": "下半",
    "runs.complete.middle": "中间", "runs.complete.go": "补全", "runs.complete.count": "补全数",
    "runs.complete.image": "换一幅图像", "runs.complete.results": "补全结果",
    "runs.complete.nothing": "还没有缺失的部分：请涂掉图像的一部分。",
    "runs.complete.none": "还没有可补全的图像：请换一幅，或选择你自己的图像。",
  },
});

export const name = "complete";
export const fits = ({ model }) => !model.untrained && Boolean(model.shape) && !model.bounds &&
  (!model.condition || model.condition.startsWith("inpaint"));

export function open(place, { model, run }) {
  const [high, wide, channels = 1] = model.shape;
  const note = new Note();
  const conditions = new Conditions({ model, run }, () => {}, { all: false });
  const number_ = seed(() => picture());
  const how = solve(() => {}, { steps: 20 });
  const brush = slider({ key: "runs.complete.brush", min: 1, max: Math.max(3, Math.floor(wide / 3)), step: 1,
    value: Math.max(2, Math.round(wide / 7)) });
  const count = slider({ key: "runs.complete.count", min: 1, max: 10, step: 1, value: 6 });
  const easel = new Easel({ shape: model.shape, width: () => brush.value, name: "runs.complete.paint" });
  const results = label(h("div", { class: "tiles" }), "runs.complete.results");
  const warnings = h("div", { class: "warnings" });
  results.style.setProperty("--columns", 3);
  const ask = (what, body, signal) => post(model.name, what, { seed: number_.value, ...conditions.of(), ...how.how(),
    ...body }, { signal, waiting: note.waiting });

  /** picture draws an image to paint on. A run that makes images from images is asked with nothing known. */
  const picture = note.task(async (signal) => {
    load.stop();
    const none = new Array(high * wide * channels).fill(null);
    easel.image = model.condition ? (await ask("complete", { x: [none] }, signal)).x[0][0]
      : (await ask("sample", { n: 1 }, signal)).x[0];
  });

  /** load takes an image of the reader. It leaves the browser with a request. */
  const load = note.task(async (signal, from) => {
    picture.stop();
    const values = await read(from, model.shape);
    if (!signal.aborted) easel.image = values;
  });

  const go = note.task(async (signal) => {
    const { image, missing } = easel;
    if (!image) throw new Said("runs.complete.none");
    if (!missing.includes(true)) throw new Said("runs.complete.nothing");
    const x = image.map((v, k) => (missing[Math.floor(k / channels)] ? null : v));
    const made = await ask("complete", { x: [x], n: count.value }, signal);
    results.replaceChildren(...made.x.map(([v], k) => tile(model.shape, v, String(k + 1))));
    warnings.replaceChildren(...warned(made));
  }, { shows: [results, warnings] });

  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.complete.about"), note.el,
      h("div", { class: "paint" }, easel.el, h("div", {}, results, warnings))),
    h("div", { class: "card side" }, masks(easel, model.condition), brush.el,
      button({ key: "runs.complete.go", primary: true, on: () => go() }),
      h("div", { class: "buttons" }, button({ key: "runs.complete.image", on: () => picture() })), chooser(load),
      conditions.parts, number_.el, count.el, how.parts)));
  picture();
  return () => [picture, load, go].forEach((task) => task.stop());
}

/**
 * masks are buttons for parts of an image. The lower half is missing at first, or what a run with one mask was trained
 * to fill in.
 */
function masks(easel, condition) {
  const [high, wide] = easel.shape;
  const middle = (v, of) => v >= of / 4 && v < (3 * of) / 4;
  const part = (name, of) => button({ key: `runs.complete.${name}`, on: () => easel.mask(of) });
  const of = { left: (x) => x < wide / 2, right: (x) => x >= wide / 2, top: (_, y) => y < high / 2,
    bottom: (_, y) => y >= high / 2, center: (x, y) => middle(x, wide) && middle(y, high) };
  easel.mask(of[/mask (\w+)$/.exec(condition ?? "")?.[1]] ?? of.bottom);
  return h("div", { class: "buttons" }, part("clear", () => false), part("left", of.left), part("bottom", of.bottom),
    part("middle", of.center));
}
