// The pane of a flow: particles on their way from noise to data, the field and the density at a time.
import { coast } from "../ui/coast.js";
import { select, slider, toggle } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";
import { legend, Plane } from "../ui/plane.js";
import { Conditions, seed, time } from "./controls.js";
import { Reading } from "./reading.js";
import { another, around, at, boxOf, Frames, lattice, Marginals, paths, trajectories } from "./scene.js";
import { Note } from "./service.js";
import { pieces, Space } from "./spaces.js";

strings({
  en: {
    "runs.pane.flow": "Flow", "runs.flow.name": "Particles, field and density of the flow at a time",
    "runs.flow.about": "Noise ($t=0$) becomes data ($t=1$): the particles follow $\\dot x = u_t(x)$.",
    "runs.flow.count": "Number of particles", "runs.flow.particles": "Particles", "runs.flow.paths": "Trajectories",
    "runs.flow.field": "Velocity field", "runs.flow.density": "Density", "runs.flow.coast": "Coastlines of the Earth",
    "runs.flow.horizontal": "Horizontal",
    "runs.flow.vertical": "Vertical", "runs.flow.more": "more likely",
  },
  zh: {
    "runs.pane.flow": "流", "runs.flow.name": "某一时刻流的粒子、速度场与密度",
    "runs.flow.about": "噪声（$t=0$）变成数据（$t=1$）：粒子沿 $\\dot x = u_t(x)$ 运动。",
    "runs.flow.count": "粒子数", "runs.flow.particles": "粒子", "runs.flow.paths": "轨迹",
    "runs.flow.field": "速度场", "runs.flow.density": "密度", "runs.flow.coast": "地球海岸线",
    "runs.flow.horizontal": "横轴",
    "runs.flow.vertical": "纵轴", "runs.flow.more": "密度较高",
  },
});

export const name = "flow";

/** Points of the plane, or of more dimensions, whose flow can be looked into. */
export const fits = ({ model }) => !model.untrained && !model.shape && !model.kinds && !model.condition &&
  !model.tokens && model.columns.length >= 2 && !model.bounds;

const times = Array.from({ length: 31 }, (_, k) => k / 30);
const [fine, coarse, frames] = [44, window.innerWidth < 600 ? 12 : 17, 20];

/** open shows a flow; it returns what ends its work. */
export function open(place, of) {
  const flow = new Flow(of);
  place.append(...flow.parts());
  flow.outline();
  flow.restart();
  return () => flow.end();
}

/** Flow is the pane: what it shows, and what it has of the service. */
class Flow {
  constructor({ model, run }) {
    this.model = model;
    this.space = new Space({ model, run });
    this.flat = Boolean(this.space.map); // one picture has all of it, and so its field and density
    this.note = new Note();
    this.dense = Boolean(this.space.map?.dense) && !model.no_density;
    this.show = { particles: true, paths: false, field: this.flat, density: this.dense,
      coast: Boolean(this.space.map?.globe) };
    this.coast = []; // lines of longitudes and latitudes in degrees
    this.pair = [...this.space.pair]; // the columns that are shown
    this.moving = null; // the particles on their way
    this.plane = null;
    this.here = null; // the point that is read
    const again = () => this.restart();
    this.conditions = new Conditions({ model, run }, again);
    this.marginals = new Marginals(model, this.conditions, !model.no_density);
    this.seed = seed(again);
    this.count = slider({ key: "runs.flow.count", min: 50, max: 1500, step: 50, value: 400, on: again });
    this.clock = time(() => this.moved(), { value: 1 });
    this.picture = h("div", { class: "picture" });
    this.restart = this.note.task((signal) => this.begin(signal), { shows: [this.picture] });
    this.reading = new Reading(this);
    this.field = new Frames(frames, (t, signal) => this.fieldAt(t, signal), () => this.paint(), this.note);
    this.density = new Frames(frames, (t, signal) => this.densityAt(t, signal), () => this.paint(), this.note);
  }

  /** parts are the elements of the pane. */
  parts() {
    const { model, flat, dense } = this;
    const layer = (key) => toggle({ key: `runs.flow.${key}`, value: this.show[key], on: (on) => {
      this.show[key] = on;
      marks();
      this.paint();
    } });
    const key = h("div");
    const marks = () => key.replaceChildren(legend([
      this.show.particles && { mark: "circle", color: "data", key: "runs.flow.particles" },
      this.show.field && { mark: "arrow", color: "field", key: "runs.flow.field" },
      this.show.density && { mark: "scale", key: "runs.flow.more" },
      this.show.paths && { mark: "line", color: "noise", key: "runs.flow.paths" },
    ].filter(Boolean)));
    marks();
    const layers = ["particles", "paths", flat && "field", dense && "density", this.show.coast && "coast"]
      .filter(Boolean).map(layer);
    const axis = (key, k) => select({ key, value: String(this.pair[k]), on: (v) => {
      this.pair[k] = Number(v);
      this.restart();
    }, options: model.columns.map((c, i) => ({ value: String(i), text: c })) });
    const axes = flat ? [] : [axis("runs.flow.horizontal", 0), axis("runs.flow.vertical", 1)];
    return [h("div", { class: "columns" },
      h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.flow.about"), this.note.el, this.picture,
        h("div", { class: "under" }, this.clock.el), this.reading.parts,
        key),
      h("div", { class: "card side" }, [...axes, ...layers].map((c) => c.el), this.count.el, this.seed.el,
        this.conditions.parts))];
  }

  /** moved hears that the time is another. Who moves it will want the other times soon. */
  moved() {
    this.field.ahead = this.fieldShown();
    this.density.ahead = this.densityShown();
    this.paint();
    if (this.here) this.reading.read(...this.here, { aloud: false });
  }

  async begin(signal) {
    this.clock.stop();
    this.forget();
    const body = { n: this.count.value, seed: this.seed.value, times, ...this.conditions.of() };
    const { periods, ranges } = this.space;
    const next = await paths(this.model.name, body, this.pair, { periods, signal, waiting: this.note.waiting });
    this.forget(); // a time that was moved meanwhile has asked for frames of the picture before
    this.moving = next;
    const box = boxOf(next, this.pair.map((k) => ranges[k]));
    const axes = this.pair.map((k) => this.model.columns[k]);
    const same = this.plane?.axes.every((name, k) => name === axes[k]);
    if (!same || another(box, this.plane.box)) {
      this.here = null;
      this.plane = new Plane({ box, axes, name: "runs.flow.name", hover: true, pick: this.dense ? (x, y) => {
        this.here = [x, y];
        this.paint();
        this.reading.read(x, y);
      } : null });
      this.picture.classList.toggle("broad", this.plane.shape > 1.5);
      this.picture.replaceChildren(this.plane.el);
    }
    this.paint();
    if (this.here) this.reading.read(...this.here);
  }

  /** forget drops what is of other conditions. */
  forget() {
    this.field.clear();
    this.density.clear();
    this.reading.forget();
  }

  end() {
    this.clock.stop();
    this.restart.stop();
    this.forget();
  }

  /** outline has the coasts of the Earth where the picture is a map of it. */
  async outline() {
    if (!this.show.coast) return;
    const { unit, periods, pair } = this.space;
    const lines = (await coast()).map((line) => line.map((v) => (v * Math.PI) / 180 / unit));
    this.coast = pieces(lines, pair.map((k) => periods[k]));
    this.paint();
  }

  async fieldAt(t, signal) {
    const { box } = this.plane;
    const { space } = this;
    const places = lattice(box, coarse).filter((place) => space.map.inside(space.row(place)));
    const rows = places.map((place) => space.row(place));
    const v = await this.marginals.field(rows, t, { signal, waiting: this.note.waiting });
    return { box, x: places.flat(), v: rows.flatMap((row, i) => space.row(space.map.velocity(row, v[i]))) };
  }

  async densityAt(t, signal) {
    const box = around(at(this.moving, t), this.plane.box);
    const options = { signal, waiting: this.note.waiting };
    const values = await this.marginals.density(box, fine, t, options, this.space);
    // One scale for all times would hide the noise: the most of each is what its highest cells have.
    const max = Float64Array.from(values).sort()[Math.floor(values.length * 0.99)] || 1;
    return { kind: "density", values, w: fine, h: fine, max, box };
  }

  fieldShown() { return this.flat && this.show.field && this.plane && this.marginals.classes() !== null; }

  densityShown() {
    return this.show.density && this.plane && this.marginals.classes() !== null && this.conditions.guided === null;
  }

  paint() {
    const { moving, plane, here, show } = this;
    if (!plane || !moving) return;
    const now = this.clock.value;
    const n = moving.states[0].length / 2;
    const frame = this.fieldShown() ? this.field.get(now) : null;
    const ways = show.paths ? trajectories(moving, Math.min(120, n)) : null;
    plane.show([
      this.densityShown() && this.density.get(now),
      show.coast && { kind: "lines", color: "surface", width: 2.5, paths: this.coast },
      show.coast && { kind: "lines", color: "muted", width: 1, paths: this.coast },
      ways && { kind: "lines", color: "noise", width: 1, alpha: 0.45, paths: ways },
      frame && arrows(frame),
      show.particles && { kind: "points", x: at(moving, now), color: "data", size: n > 700 ? 2 : 2.6, alpha: 0.9 },
      here && { kind: "points", x: here, shape: "ring", color: "ink", size: 6 },
    ]);
  }
}

/** arrows are as long as a cell where the field is fastest, nearly. Sides of the box may be of different units. */
function arrows({ box, x, v }) {
  const share = [1 / (box[1] - box[0]), 1 / (box[3] - box[2])];
  const speeds = Array.from({ length: v.length / 2 }, (_, i) =>
    Math.hypot(v[2 * i] * share[0], v[2 * i + 1] * share[1]));
  const sorted = [...speeds].sort((a, b) => a - b);
  const fast = sorted[Math.floor(sorted.length * 0.95)] || 1;
  const clipped = v.map((u, k) => u * Math.min(1, (1.3 * fast) / (speeds[k >> 1] || 1)));
  return { kind: "arrows", x, v: clipped, scale: 0.95 / (coarse * fast), color: "field", width: 1.4, alpha: 0.85 };
}
