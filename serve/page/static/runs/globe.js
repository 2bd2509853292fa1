// The pane of a flow on the sphere: particles and density on a globe that turns.
import { slider, toggle } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { Globe, place as placed } from "../ui/globe.js";
import { say, strings } from "../ui/lang.js";
import { between } from "../ui/states.js";
import { Conditions, seed, time } from "./controls.js";
import { Frames, Marginals } from "./scene.js";
import { Note, stream } from "./service.js";

strings({
  en: {
    "runs.pane.globe": "Globe", "runs.globe.name": "Particles and density on the sphere at a time",
    "runs.globe.about": "Noise ($t=0$) becomes data ($t=1$) along geodesics. Drag the globe, or use the arrow keys.",
  },
  zh: {
    "runs.pane.globe": "球面", "runs.globe.name": "某一时刻球面上的粒子与密度",
    "runs.globe.about": "噪声（$t=0$）沿测地线变成数据（$t=1$）。拖动球面，或用方向键转动。",
  },
});

export const name = "globe";

/** Points of the sphere in space, in columns of latitude and longitude or of a vector. */
export const fits = ({ model }) => !model.untrained && model.space === "sphere of dimension 2" &&
  [2, 3].includes(model.columns?.length);

const times = Array.from({ length: 31 }, (_, k) => k / 30);
const [rows, frames] = [24, 15];

/** chart is how rows become points of space, and places in degrees rows. */
function chart({ model, run }) {
  if (model.columns.length === 3) return { point: (row) => row, row: (a, b) => placed(a, b) };
  const unit = /units: radians/.test(run.settings) ? 180 / Math.PI : 1;
  const first = /^lon/i.test(model.columns[0]) ? 1 : 0;
  return { point: (row) => placed(row[first] * unit, row[1 - first] * unit),
    row: (a, b) => (first ? [b / unit, a / unit] : [a / unit, b / unit]) };
}

/** onSphere are states between two, brought back to the sphere. */
function onSphere(x) {
  for (let k = 0; k + 2 < x.length; k += 3) {
    const length = Math.hypot(x[k], x[k + 1], x[k + 2]) || 1;
    for (let d = 0; d < 3; d++) x[k + d] /= length;
  }
  return x;
}

/** open shows a flow on the sphere; it returns what ends its work. */
export function open(place, of) {
  const { model } = of;
  const { point, row } = chart(of);
  const note = new Note();
  const globe = new Globe({ name: "runs.globe.name" });
  const again = () => restart();
  const conditions = new Conditions(of, again);
  const marginals = new Marginals(model, conditions, !model.no_density);
  const number = seed(again);
  const count = slider({ key: "runs.flow.count", min: 50, max: 1500, step: 50, value: 400, on: again });
  const clock = time(() => {
    density.ahead = dense.value;
    paint();
  }, { value: 1 });
  const dense = toggle({ key: "runs.flow.density", value: !model.no_density, on: () => paint() });
  const picture = h("div", { class: "picture" }, globe.el);
  const lattice = Array.from({ length: 2 * rows * rows }, (_, k) =>
    row(((Math.floor(k / (2 * rows)) + 0.5) * 180) / rows - 90, (((k % (2 * rows)) + 0.5) * 180) / rows - 180));
  const density = new Frames(frames, async (t, signal) => {
    const how = { solver: "dopri5", rtol: 1e-3, atol: 1e-3 }; // for the eye
    const logp = await marginals.logp(lattice, t, how, { signal, waiting: note.waiting });
    const values = logp.map(Math.exp);
    // The uniform density is in the middle of the scale at least: else its errors of rounding would be a pattern.
    return { values, n: rows, max: Math.max(2 / (4 * Math.PI), Float64Array.from(values).sort().at(-8)) };
  }, () => paint(), note);
  let states = [];

  function paint() {
    const shown = dense.value && marginals.classes() !== null && conditions.guided === null;
    globe.show(onSphere(between(times, states.length, (k) => states[k], clock.value).slice()),
      shown ? density.get(clock.value) : null);
  }

  const restart = note.task(async (signal) => {
    clock.stop();
    density.clear();
    const body = { n: count.value, seed: number.value, times, ...conditions.of() };
    const next = [];
    await stream(model.name, body, (_, x) => next.push(x.flatMap(point)), { signal, waiting: note.waiting });
    states = next;
    density.clear();
    paint();
  }, { shows: [picture] });

  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.globe.about"), note.el, picture,
      h("div", { class: "under" }, clock.el)),
    h("div", { class: "card side" }, model.no_density ? null : dense.el, count.el, number.el, conditions.parts)));
  restart();
  return () => {
    clock.stop();
    restart.stop();
    density.clear();
  };
}
