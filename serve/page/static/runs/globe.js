// The pane of a flow on the sphere: particles and density on a globe that turns.
import { slider, toggle } from "../ui/controls.js";
import { h, number } from "../ui/dom.js";
import { coast } from "../ui/coast.js";
import { Globe, place as placed } from "../ui/globe.js";
import { say, strings } from "../ui/lang.js";
import { legend } from "../ui/plane.js";
import { between } from "../ui/states.js";
import { Conditions, seed, time } from "./controls.js";
import { Frames, Marginals } from "./scene.js";
import { Note, stream } from "./service.js";
import { Space } from "./spaces.js";

strings({
  en: {
    "runs.pane.globe": "Globe", "runs.globe.name": "Particles and density on the sphere at a time",
    "runs.globe.about": "Noise ($t=0$) becomes data ($t=1$) along geodesics. Drag the globe, or use the arrow keys.",
    "runs.globe.front": "particles", "runs.globe.back": "particles behind",
    "runs.globe.middle.ne": "Seen from above {latitude}° N, {longitude}° E",
    "runs.globe.middle.nw": "Seen from above {latitude}° N, {longitude}° W",
    "runs.globe.middle.se": "Seen from above {latitude}° S, {longitude}° E",
    "runs.globe.middle.sw": "Seen from above {latitude}° S, {longitude}° W",
  },
  zh: {
    "runs.pane.globe": "球面", "runs.globe.name": "某一时刻球面上的粒子与密度",
    "runs.globe.about": "噪声（$t=0$）沿测地线变成数据（$t=1$）。拖动球面，或用方向键转动。",
    "runs.globe.front": "粒子", "runs.globe.back": "背面的粒子",
    "runs.globe.middle.ne": "视点：北纬 {latitude}°，东经 {longitude}°",
    "runs.globe.middle.nw": "视点：北纬 {latitude}°，西经 {longitude}°",
    "runs.globe.middle.se": "视点：南纬 {latitude}°，东经 {longitude}°",
    "runs.globe.middle.sw": "视点：南纬 {latitude}°，西经 {longitude}°",
  },
});

export const name = "globe";

/** Points of the sphere in space, in columns of latitude and longitude or of a vector. */
export const fits = ({ model }) => !model.untrained && model.space === "sphere of dimension 2" &&
  [2, 3].includes(model.columns?.length);

const times = Array.from({ length: 31 }, (_, k) => k / 30);
const [rows, frames] = [24, 15];

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
  const pane = new Sphere(of);
  place.append(pane.parts());
  pane.restart();
  return () => pane.end();
}

/** Sphere is the pane: the particles at all times, and the density at those that were looked at. */
class Sphere {
  constructor({ model, run }) {
    this.model = model;
    this.chart(new Space({ model, run }));
    this.note = new Note();
    this.globe = new Globe({ name: "runs.globe.name", on: () => this.tell() });
    const again = () => this.restart();
    this.conditions = new Conditions({ model, run }, again);
    this.marginals = new Marginals(model, this.conditions, !model.no_density);
    this.seed = seed(again);
    this.count = slider({ key: "runs.flow.count", min: 50, max: 1500, step: 50, value: 400, on: again });
    this.clock = time(() => {
      this.density.ahead = this.dense.value;
      this.paint();
    }, { value: 1 });
    this.dense = toggle({ key: "runs.flow.density", value: !model.no_density, on: () => {
      this.mark();
      this.paint();
    } });
    this.coasts = this.named ? toggle({ key: "runs.flow.coast", value: true, on: () => this.outline() }) : null;
    this.picture = h("div", { class: "picture" }, this.globe.el);
    this.middle = h("p", { class: "muted small", "aria-live": "polite" });
    this.key = h("div");
    this.density = new Frames(frames, (t, signal) => this.densityAt(t, signal), () => this.paint(), this.note);
    this.states = [];
    this.restart = this.note.task((signal) => this.begin(signal), { shows: [this.picture] });
    this.tell();
    this.mark();
    this.outline();
  }

  /** outline draws the coasts of the Earth, of which places have latitudes and longitudes. */
  async outline() {
    if (this.coasts) this.globe.outline(this.coasts.value ? await coast() : []);
  }

  /** chart says how rows become points of space, and places in degrees rows. */
  chart(space) {
    const [f] = space.factors;
    const unit = space.unit * (180 / Math.PI); // of the columns, in degrees
    const named = f.longitude !== undefined;
    this.named = named;
    this.point = named ? (row) => placed(row[f.latitude] * unit, row[f.longitude] * unit) : (row) => row;
    const row = (a, b) => (f.longitude === 0 ? [b / unit, a / unit] : [a / unit, b / unit]);
    this.lattice = Array.from({ length: 2 * rows * rows }, (_, k) => (named ? row : placed)(
      ((Math.floor(k / (2 * rows)) + 0.5) * 180) / rows - 90, (((k % (2 * rows)) + 0.5) * 180) / rows - 180));
  }

  /** parts are the elements of the pane. */
  parts() {
    return h("div", { class: "columns" },
      h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.globe.about"), this.note.el, this.picture,
        h("div", { class: "under" }, this.clock.el), this.middle, this.key),
      h("div", { class: "card side" }, this.model.no_density ? null : this.dense.el, this.coasts?.el, this.count.el,
        this.seed.el, this.conditions.parts));
  }

  /** tell says which side is seen, in words. */
  tell() {
    const { latitude, longitude } = this.globe;
    const at = (v) => number(Math.abs(v), Math.abs(v) < 10 ? 1 : Math.abs(v) < 100 ? 2 : 3);
    say(this.middle, `runs.globe.middle.${latitude < 0 ? "s" : "n"}${longitude < 0 ? "w" : "e"}`,
      { latitude: at(latitude), longitude: at(longitude) });
  }

  /** mark says what the marks and colours mean. */
  mark() {
    this.key.replaceChildren(legend([{ mark: "circle", color: "data", key: "runs.globe.front" },
      { mark: "dot", color: "data", key: "runs.globe.back" },
      this.shown() && { mark: "scale", key: "runs.flow.more" }].filter(Boolean)));
  }

  shown() { return this.dense.value && this.marginals.classes() !== null && this.conditions.guided === null; }

  async densityAt(t, signal) {
    const how = { solver: "dopri5", rtol: 1e-3, atol: 1e-3 }; // for the eye
    const logp = await this.marginals.logp(this.lattice, t, how, { signal, waiting: this.note.waiting });
    const values = logp.map(Math.exp);
    // The uniform density is in the middle of the scale at least: else its errors of rounding would be a pattern.
    return { values, n: rows, max: Math.max(2 / (4 * Math.PI), Float64Array.from(values).sort().at(-8)) };
  }

  paint() {
    const now = between(times, this.states.length, (k) => this.states[k], this.clock.value);
    this.globe.show(onSphere(now.slice()), this.shown() ? this.density.get(this.clock.value) : null);
  }

  async begin(signal) {
    this.clock.stop();
    this.density.clear();
    this.mark();
    const body = { n: this.count.value, seed: this.seed.value, times, ...this.conditions.of() };
    const next = [];
    await stream(this.model.name, body, (_, x) => next.push(x.flatMap(this.point)),
      { signal, waiting: this.note.waiting });
    this.states = next;
    this.density.clear();
    this.paint();
  }

  end() {
    this.clock.stop();
    this.restart.stop();
    this.density.clear();
  }
}
