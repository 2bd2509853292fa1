// The pane of completion: paint what is missing of an image, and see what may be there.
import { button, slider } from "../ui/controls.js";
import { h, uid } from "../ui/dom.js";
import { label, say, strings, t } from "../ui/lang.js";
import { Conditions, seed } from "./controls.js";
import { paint, tile } from "./pixels.js";
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
    "runs.complete.image": "Another image", "runs.complete.file": "Your image", "runs.complete.results": "Completions",
    "runs.complete.nothing": "Nothing is missing yet: paint over a part of the image.",
    "runs.complete.none": "There is no image to complete yet: take another, or one of your own.",
  },
  zh: {
    "runs.pane.complete": "补全",
    "runs.complete.about": "涂掉要缺失的部分：其余保持不变，流会画出那里可能有的内容。",
    "runs.complete.paint": "可涂抹的图像。方向键移动画笔，空格键涂抹。",
    "runs.complete.brush": "画笔", "runs.complete.clear": "清除", "runs.complete.left": "左半", "runs.complete.bottom": "下半",
    "runs.complete.middle": "中间", "runs.complete.go": "补全", "runs.complete.count": "补全数",
    "runs.complete.image": "换一幅图像", "runs.complete.file": "你的图像", "runs.complete.results": "补全结果",
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
  const canvas = h("canvas", { class: "tile easel", width: wide, height: high, tabindex: 0, role: "application" });
  const results = h("div", { class: "tiles" });
  const warnings = h("div", { class: "warnings" });
  results.style.setProperty("--columns", 3);
  label(canvas, "runs.complete.paint");
  label(results, "runs.complete.results");
  let image = null;
  let missing = new Array(high * wide).fill(false);
  let at = null;

  function show() {
    if (!image) return;
    paint(canvas, model.shape, image);
    const g = canvas.getContext("2d");
    for (let p = 0; p < missing.length; p++) {
      if (!missing[p]) continue;
      // A pattern that no image has: two greys in turn.
      g.fillStyle = (p + Math.floor(p / wide)) % 2 ? "#c2410c" : "#f0a070";
      g.fillRect(p % wide, Math.floor(p / wide), 1, 1);
    }
    if (at && document.activeElement === canvas) {
      g.strokeStyle = "#2456c7";
      g.strokeRect(Math.floor(at[0] - brush.value / 2) + 0.5, Math.floor(at[1] - brush.value / 2) + 0.5, brush.value,
        brush.value);
    }
  }

  function dab([x, y]) {
    const r = brush.value / 2;
    for (let j = Math.max(0, Math.round(y - r)); j < Math.min(high, Math.round(y + r)); j++) {
      const end = Math.min(wide, Math.round(x + r));
      for (let i = Math.max(0, Math.round(x - r)); i < end; i++) missing[j * wide + i] = true;
    }
    show();
  }

  const mask = (of) => () => {
    missing = missing.map((_, p) => of(p % wide, Math.floor(p / wide)));
    show();
  };

  let down = false;
  const point = (e) => {
    const r = canvas.getBoundingClientRect();
    return [((e.clientX - r.left) / r.width) * wide, ((e.clientY - r.top) / r.height) * high];
  };
  canvas.addEventListener("pointerdown", (e) => {
    down = true;
    canvas.setPointerCapture(e.pointerId);
    dab(point(e));
  });
  canvas.addEventListener("pointermove", (e) => down && dab(point(e)));
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (down = false));
  canvas.addEventListener("keydown", (e) => {
    at ??= [wide / 2, high / 2];
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (e.key !== " " && !move) return;
    e.preventDefault();
    if (move) at = [Math.min(wide, Math.max(0, at[0] + move[0])), Math.min(high, Math.max(0, at[1] + move[1]))];
    else dab(at);
    show();
  });
  canvas.addEventListener("focus", show);
  canvas.addEventListener("blur", show);

  /** picture draws an image to paint on. A run that makes images from images is asked with nothing known. */
  const picture = note.task(async (signal) => {
    load.stop();
    const options = { signal, waiting: note.waiting };
    if (model.condition) {
      const none = new Array(high * wide * channels).fill(null);
      const made = await post(model.name, "complete", { x: [none], seed: number_.value, ...conditions.of(),
        ...how.how() }, options);
      image = made.x[0][0];
    } else {
      image = (await post(model.name, "sample", { n: 1, seed: number_.value, ...conditions.of(), ...how.how() },
        options)).x[0];
    }
    show();
  });

  /** load takes an image of the reader, brought to the size of the model. It leaves the browser with a request. */
  const load = note.task(async (signal, file) => {
    picture.stop();
    const bitmap = await createImageBitmap(file, { resizeWidth: wide, resizeHeight: high, resizeQuality: "high" });
    if (signal.aborted) return;
    const small = h("canvas", { width: wide, height: high });
    const g = small.getContext("2d");
    g.drawImage(bitmap, 0, 0, wide, high);
    const { data } = g.getImageData(0, 0, wide, high);
    image = Array.from({ length: high * wide * channels }, (_, k) => {
      const p = 4 * Math.floor(k / channels);
      const grey = 0.299 * data[p] + 0.587 * data[p + 1] + 0.114 * data[p + 2];
      return (channels === 1 ? grey : data[p + (k % channels)]) / 127.5 - 1;
    });
    show();
  });

  const go = note.task(async (signal) => {
    if (!image) throw new Error(t("runs.complete.none"));
    if (!missing.includes(true)) {
      throw new Error(t("runs.complete.nothing"));
    }
    const x = image.map((v, k) => (missing[Math.floor(k / channels)] ? null : v));
    const body = { x: [x], n: count.value, seed: number_.value, ...conditions.of(), ...how.how() };
    const made = await post(model.name, "complete", body, { signal, waiting: note.waiting });
    results.replaceChildren(...made.x.map(([v], k) => tile(model.shape, v, String(k + 1))));
    warnings.replaceChildren(...(made.warnings ?? []).map((w) => h("p", { class: "notice" }, w)));
  });

  const file = h("input", { type: "file", accept: "image/*", class: "file", id: uid("file") });
  file.addEventListener("change", () => file.files[0] && load(file.files[0]));
  const middle = (v, of) => v >= of / 4 && v < (3 * of) / 4;
  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.complete.about"),
      h("div", { class: "paint" }, canvas, h("div", {}, results, warnings)), note.el),
    h("div", { class: "card side" },
      h("div", { class: "buttons" },
        button({ key: "runs.complete.clear", on: mask(() => false) }),
        button({ key: "runs.complete.left", on: mask((x) => x < wide / 2) }),
        button({ key: "runs.complete.bottom", on: mask((_, y) => y >= high / 2) }),
        button({ key: "runs.complete.middle", on: mask((x, y) => middle(x, wide) && middle(y, high)) })),
      brush.el, conditions.parts, number_.el, count.el, how.parts,
      button({ key: "runs.complete.go", primary: true, on: () => go() }),
      h("div", { class: "buttons" }, button({ key: "runs.complete.image", on: () => picture() })),
      h("div", { class: "control" }, say(h("label", { for: file.id }), "runs.complete.file"), file))));
  picture().then(mask((_, y) => y >= high / 2));
  return () => {
    picture.stop();
    load.stop();
    go.stop();
  };
}
