// The pane of a flow: particles on their way from noise to data, the field and the density at a time.
import { select, slider, toggle } from "../ui/controls.js";
import { latest } from "../ui/api.js";
import { h, number } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";
import { legend, Plane } from "../ui/plane.js";
import { Conditions, seed, time } from "./controls.js";
import { around, at, boxOf, Frames, lattice, Marginals, paths } from "./scene.js";
import { Note } from "./service.js";

strings({
  en: {
    "runs.pane.flow": "Flow", "runs.flow.name": "Particles, field and density of the flow at a time",
    "runs.flow.about": "Noise ($t=0$) becomes data ($t=1$): the particles follow $\\dot x = u_t(x)$.",
    "runs.flow.count": "Number of particles", "runs.flow.particles": "Particles", "runs.flow.paths": "Trajectories",
    "runs.flow.field": "Velocity field", "runs.flow.density": "Density", "runs.flow.horizontal": "Horizontal",
    "runs.flow.vertical": "Vertical", "runs.flow.more": "more likely",
    "runs.flow.here": "At {x}, {y} and time {t}: $\\log p_t(x)$ = {logp}",
    "runs.flow.point": "Point at the picture, or move a mark with the arrow keys, to read the log-density there.",
    "runs.flow.guided": "Guided samples have no density, so none is shown.",
    "runs.flow.many": "Choose one class to see its field and density.",
    "runs.flow.nodensity": "This run has no density: {why}",
    "runs.flow.plane": "Field and density are pictures of the plane; this flow has {n} dimensions, of which two are shown.",
  },
  zh: {
    "runs.pane.flow": "流", "runs.flow.name": "某一时刻流的粒子、速度场与密度",
    "runs.flow.about": "噪声（$t=0$）变成数据（$t=1$）：粒子沿 $\\dot x = u_t(x)$ 运动。",
    "runs.flow.count": "粒子数", "runs.flow.particles": "粒子", "runs.flow.paths": "轨迹",
    "runs.flow.field": "速度场", "runs.flow.density": "密度", "runs.flow.horizontal": "横轴",
    "runs.flow.vertical": "纵轴", "runs.flow.more": "密度较高",
    "runs.flow.here": "在 {x}, {y}，时间 {t}：$\\log p_t(x)$ = {logp}",
    "runs.flow.point": "指向图中一点，或用方向键移动标记，即可读出该处的对数密度。",
    "runs.flow.guided": "引导后的样本没有密度，因此不显示。",
    "runs.flow.many": "请选择一个类别以查看其速度场与密度。",
    "runs.flow.nodensity": "此模型没有密度：{why}",
    "runs.flow.plane": "速度场与密度是平面上的图；此流有 {n} 维，这里显示其中两维。",
  },
});

export const name = "flow";
/** Points of the plane, or of more dimensions, whose flow can be looked into. */
export const fits = ({ model }) => !model.untrained && !model.shape && !model.kinds && !model.condition &&
  model.dim >= 2 && !model.bounds;

const times = Array.from({ length: 31 }, (_, k) => k / 30);
const [fine, coarse, frames] = [44, window.innerWidth < 600 ? 12 : 17, 20];

export function open(place, { model, run }) {
  const plane2 = model.dim === 2;
  const note = new Note();
  const show = { particles: true, paths: false, field: plane2, density: plane2 && !model.no_density };
  let pair = [0, 1];
  let moving = null;
  let plane = null;
  let here = null;
  let turn = 0; // a reading of another turn is of other conditions

  const conditions = new Conditions({ model, run }, () => restart());
  const marginals = new Marginals(model, conditions, !model.no_density);
  const number_ = seed(() => restart());
  const count = slider({ key: "runs.flow.count", min: 50, max: 1500, step: 50, value: 400, on: () => restart() });
  const clock = time(() => {
    // Who moves the time will want the others soon.
    fieldFrames.ahead = fieldShown();
    densityFrames.ahead = densityShown();
    paint();
    if (!here) return;
    reading.setAttribute("aria-live", "off"); // a time that plays would be read aloud without end
    read(...here);
  }, { value: 1 });
  const layer = (key) => toggle({ key: `runs.flow.${key}`, value: show[key], on: (on) => {
    show[key] = on;
    paint();
  } });
  const layers = [layer("particles"), layer("paths"), ...(plane2 ? [layer("field")] : []),
    ...(plane2 && !model.no_density ? [layer("density")] : [])];
  const axis = (key, k) => select({ key, value: String(pair[k]), on: (v) => {
    pair[k] = Number(v);
    restart();
  }, options: model.columns.map((c, i) => ({ value: String(i), text: c })) });
  const axes = plane2 ? [] : [axis("runs.flow.horizontal", 0), axis("runs.flow.vertical", 1)];

  const picture = h("div", { class: "picture" });
  const reading = h("p", { class: "reading", "aria-live": "polite" });
  const hint = h("p", { class: "muted small" });

  const fieldFrames = new Frames(frames, async (time_, signal) => {
    const { box } = plane;
    return { box, v: await marginals.field(lattice(box, coarse), time_, { signal, waiting: note.waiting }) };
  }, () => paint(), note);
  const densityFrames = new Frames(frames, async (time_, signal) => {
    const box = around(at(moving, time_), plane.box);
    const values = await marginals.density(box, fine, time_, { signal, waiting: note.waiting });
    // One scale for all times would hide the noise: the most of each is what its highest cells have.
    const max = Float64Array.from(values).sort()[Math.floor(values.length * 0.99)] || 1;
    return { kind: "density", values, w: fine, h: fine, max, box };
  }, () => paint(), note);

  const fieldShown = () => plane2 && show.field && plane && marginals.classes() !== null;
  const densityShown = () => show.density && plane && marginals.classes() !== null && conditions.guided === null;

  function paint() {
    if (!plane || !moving) return;
    const now = clock.value;
    const list = [];
    if (densityShown()) {
      const image = densityFrames.get(now);
      if (image) list.push(image);
    }
    if (show.paths) {
      const n = Math.min(120, moving.states[0].length / 2);
      list.push({ kind: "lines", color: "noise", width: 1, alpha: 0.45, paths: Array.from({ length: n }, (_, i) =>
        moving.states.flatMap((s) => [s[2 * i], s[2 * i + 1]])) });
    }
    if (fieldShown()) {
      const frame = fieldFrames.get(now);
      if (frame) list.push(arrows(frame));
    }
    if (show.particles) {
      const n = moving.states[0].length / 2;
      list.push({ kind: "points", x: at(moving, now), color: "data", size: n > 700 ? 2 : 2.6, alpha: 0.9 });
    }
    if (here) list.push({ kind: "points", x: here, shape: "ring", color: "ink", size: 6 });
    plane.show(list);
  }

  /** arrows are as long as a cell where the field is fastest, nearly. */
  function arrows({ box, v }) {
    const x = lattice(box, coarse).flat();
    const cell = (box[1] - box[0]) / coarse;
    const speeds = x.map((_, k) => (k % 2 ? 0 : Math.hypot(v[k], v[k + 1]))).filter((_, k) => k % 2 === 0);
    const sorted = [...speeds].sort((a, b) => a - b);
    const fast = sorted[Math.floor(sorted.length * 0.95)] || 1;
    const clipped = v.map((u, k) => u * Math.min(1, (1.3 * fast) / (speeds[k >> 1] || 1)));
    return { kind: "arrows", x, v: clipped, scale: (0.95 * cell) / fast, color: "field", width: 1.4, alpha: 0.85 };
  }

  const read = latest(async (signal, x, y) => {
    if (model.no_density || !plane2 || conditions.guided !== null || marginals.classes() === null) return;
    const [now, mine] = [clock.value, turn];
    try {
      const [v] = await marginals.logp([[x, y]], now, {}, { signal, waiting: note.waiting });
      if (mine !== turn) return;
      say(reading, "runs.flow.here", { x: number(x), y: number(y), t: now.toFixed(2), logp: number(v, 4) });
      hint.hidden = true;
    } catch (e) {
      if (e.name !== "AbortError" && mine === turn) note.fail(e);
    }
  });

  function hints() {
    hint.hidden = false;
    const key = !plane2 ? "runs.flow.plane" : marginals.classes() === null ? "runs.flow.many"
      : model.no_density ? "runs.flow.nodensity" : conditions.guided !== null ? "runs.flow.guided" : "runs.flow.point";
    say(hint, key, { n: model.dim, why: model.no_density });
  }

  const restart = note.task(async (signal) => {
    clock.stop();
    forget();
    hints();
    const body = { n: count.value, seed: number_.value, times, ...conditions.of() };
    const next = await paths(model.name, body, pair, null, { signal, waiting: note.waiting });
    forget(); // a time that was moved meanwhile has asked for frames of the picture before
    moving = next;
    const box = boxOf(moving);
    if (!plane || box.some((v, k) => Math.abs(v - plane.box[k]) > 0.12 * (box[1] - box[0]))) {
      here = null;
      plane = new Plane({ box, name: "runs.flow.name", hover: true, pick: plane2 ? (x, y) => {
        here = [x, y];
        paint();
        reading.setAttribute("aria-live", "polite");
        read(x, y);
      } : null });
      picture.replaceChildren(plane.el);
    }
    paint();
    if (here) read(...here);
  });

  function forget() {
    fieldFrames.clear();
    densityFrames.clear();
    turn++;
    delete reading.dataset.t;
    reading.replaceChildren();
  }

  hints();
  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.flow.about"), picture,
      h("div", { class: "under" }, clock.el), reading, hint, note.el,
      legend([
        { mark: "circle", color: "data", key: "runs.flow.particles" },
        plane2 && { mark: "arrow", color: "field", key: "runs.flow.field" },
        plane2 && !model.no_density && { mark: "scale", key: "runs.flow.more" },
        { mark: "line", color: "noise", key: "runs.flow.paths" },
      ].filter(Boolean))),
    h("div", { class: "card side" }, axes.map((a) => a.el), layers.map((l) => l.el), count.el, number_.el,
      conditions.parts)));
  restart();
  return () => {
    clock.stop();
    restart.stop();
    forget();
  };
}
