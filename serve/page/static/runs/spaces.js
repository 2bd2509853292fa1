// What there is to know of the space of the points of a model: which columns are angles that come round, how far
// apart points are, and whether two columns are a map of all of it, with a field and a density.
import { h } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";

strings({
  en: {
    "runs.space.numbers": "{n} numbers", "runs.space.numbers.one": "1 number",
    "runs.space.sphere": "points on a sphere of dimension {n}", "runs.space.globe": "points on a sphere",
    "runs.space.torus": "{n} angles", "runs.space.torus.one": "1 angle", "runs.space.rotations": "rotations of space",
    "runs.space.ball": "points in the hyperbolic ball of dimension {n}",
    "runs.space.matrices": "positive definite matrices of order {n}",
  },
  zh: {
    "runs.space.numbers": "{n} 个数", "runs.space.numbers.one": "1 个数",
    "runs.space.sphere": "{n} 维球面上的点", "runs.space.globe": "球面上的点",
    "runs.space.torus": "{n} 个角", "runs.space.torus.one": "1 个角", "runs.space.rotations": "空间旋转",
    "runs.space.ball": "{n} 维双曲球内的点", "runs.space.matrices": "{n} 阶正定矩阵",
  },
});

// The spaces as the service names them, how many columns their points may have in a file, by the number in the name
// (the first is that of a factor of a product), and how many numbers the flow moves.
const kinds = [
  { kind: "sphere", named: /^sphere of dimension (\d+)$/, widths: (n) => (n === 2 ? [2, 3] : [n + 1]) },
  { kind: "torus", named: /^torus of dimension (\d+)$/, widths: (n) => [n] },
  { kind: "rotations", named: /^rotations of space$/, widths: () => [4, 9] },
  { kind: "ball", named: /^Poincaré ball of dimension (\d+)$/, widths: (n) => [n] },
  { kind: "matrices", named: /^symmetric positive definite matrices of order (\d+)$/,
    widths: (n) => [(n * (n + 1)) / 2, n * n] },
  { kind: "numbers", named: /^euclidean space of dimension (\d+)$/, widths: (n) => [n] },
];

/** factor reads the name of a space: {kind, n, widths}; null: it is not known. */
function factor(name) {
  for (const { kind, named, widths } of kinds) {
    const found = named.exec(name);
    if (found) return { kind, n: Number(found[1] ?? 3), widths: widths(Number(found[1] ?? 3)) };
  }
  return null;
}

/** turned is the part of a difference of angles that is left without whole turns; of numbers (0) it is all. */
export const turned = (d, period) => (period ? d - period * Math.round(d / period) : d);

/** vector is the point of the sphere of angles in radians. */
const vector = (a, b) => [Math.cos(a) * Math.cos(b), Math.cos(a) * Math.sin(b), Math.sin(a)];

const dot = (a, b) => a.reduce((sum, v, k) => sum + v * b[k], 0);
const angle = (cos) => Math.acos(Math.min(1, Math.max(-1, cos)));

/**
 * Space is that of the points of a model.
 *
 *   periods   of the columns: a whole turn of an angle that comes round, 0 of others
 *   ranges    of the columns: [least, most] of angles, null of others
 *   pair      the columns to be shown first, across and up
 *   map       where two columns are a map of all: {inside(row), velocity(row, v), dense}, else null. v is a velocity
 *             of the flow at a row, and its velocity on the map is in units of the columns. dense: a density can be
 *             asked for at every place; globe: it is a map of the sphere by longitude and latitude.
 */
export class Space {
  constructor({ model, run }) {
    this.columns = model.columns ?? [];
    this.dim = model.dim;
    const names = (model.space ?? "").replace(/^product of /, "").split(", ");
    this.factors = model.space ? names.map(factor) : null;
    this.periods = this.columns.map(() => 0);
    this.ranges = this.columns.map(() => null);
    this.pair = [0, 1];
    this.radians = /^\s*units: radians/m.test(run.settings ?? "");
    this.placed = this.place();
    if (this.placed) this.factors?.forEach((f) => this.angles(f));
    this.map = this.mapped();
  }

  /** place says which columns are of each factor; false: that is not known. */
  place() {
    const { factors, columns } = this;
    if (!factors) return true;
    if (factors.includes(null)) return false;
    let from = 0;
    for (const f of factors) {
      f.from = from;
      f.width = factors.length === 1 && f.widths.includes(columns.length) ? columns.length : f.widths[0];
      from += f.width;
    }
    return from === columns.length && !(factors.length > 1 && this.radians); // of a product each has its own units
  }

  /** unit is that of an angle, in radians. */
  get unit() { return this.radians ? 1 : Math.PI / 180; }

  /** degrees are what distances of angles are in. */
  get degrees() { return !this.radians && this.factors?.length === 1 && this.periods.some(Boolean); }

  angles(f) {
    const turn = (2 * Math.PI) / this.unit;
    const whole = (k) => {
      this.periods[k] = turn;
      this.ranges[k] = [-turn / 2, turn / 2];
    };
    if (f.kind === "torus") for (let k = 0; k < f.width; k++) whole(f.from + k);
    if (f.kind !== "sphere" || f.n !== 2 || f.width !== 2) return;
    const longitude = f.from + (/^lon/i.test(this.columns[f.from]) ? 0 : 1);
    const latitude = 2 * f.from + 1 - longitude;
    Object.assign(f, { latitude, longitude });
    whole(longitude);
    this.ranges[latitude] = [-turn / 4, turn / 4];
    if (f.from === 0) this.pair = [longitude, latitude];
  }

  mapped() {
    const plain = { inside: () => true, velocity: (_, v) => v, dense: true };
    if (!this.factors) return this.dim === 2 ? plain : null;
    if (!this.placed || this.columns.length !== 2) return null;
    const [f] = this.factors;
    if (this.factors.every(({ kind }) => kind === "numbers" || kind === "torus")) {
      return { ...plain, velocity: (row, v) => this.rates(row, v) };
    }
    if (this.factors.length > 1) return null;
    // Near its edge, which is infinitely far, a solve back to noise may leave the ball.
    if (f.kind === "ball") return { ...plain, inside: (row) => Math.hypot(...row) < 0.99, dense: false };
    return f.longitude === undefined ? null : this.globe(f);
  }

  /** rates are those of numbers and angles, where the flow moves an angle as its cosine and sine. */
  rates(row, v) {
    let from = 0;
    return row.map((a, k) => {
      if (!this.periods[k]) return v[from++];
      const [cos, sin] = [v[from], v[from + 1]];
      from += 2;
      return (sin * Math.cos(a * this.unit) - cos * Math.sin(a * this.unit)) / this.unit;
    });
  }

  /** globe is the map of the sphere by latitude and longitude. */
  globe({ latitude, longitude }) {
    const { unit } = this;
    const velocity = (row, v) => {
      const [a, b] = [row[latitude] * unit, row[longitude] * unit];
      const out = [];
      out[longitude] = dot(v, [-Math.sin(b), Math.cos(b), 0]) / Math.cos(a) / unit;
      out[latitude] = dot(v, [-Math.sin(a) * Math.cos(b), -Math.sin(a) * Math.sin(b), Math.cos(a)]) / unit;
      return out;
    };
    return { globe: true, inside: (row) => Math.abs(row[latitude]) * unit < 0.4999 * Math.PI, velocity, dense: true };
  }

  /** row is that of a place on the map, in the order of the columns. */
  row([across, up]) { return this.pair[0] === 0 ? [across, up] : [up, across]; }

  /** distance is that of two rows along the space, of angles in their units; null: it is not computed here. */
  distance(a, b) {
    if (!this.factors) return Math.hypot(...a.map((v, k) => v - b[k]));
    if (!this.placed) return null;
    const parts = this.factors.map((f) => this.apart(f, a, b));
    if (parts.includes(null)) return null;
    return this.degrees ? parts[0] / this.unit : Math.hypot(...parts);
  }

  /** apart is the distance of a factor of two rows; of angles in radians. */
  apart(f, a, b) {
    const [x, y] = [a, b].map((row) => row.slice(f.from, f.from + f.width));
    switch (f.kind) {
      case "numbers": return Math.hypot(...x.map((v, k) => v - y[k]));
      case "torus": return Math.hypot(...x.map((v, k) => turned((v - y[k]) * this.unit, 2 * Math.PI)));
      case "sphere": return angle(f.longitude === undefined ? dot(x, y) : dot(...[a, b].map((row) =>
        vector(row[f.latitude] * this.unit, row[f.longitude] * this.unit))));
      case "rotations": return f.width === 4 ? 2 * angle(Math.abs(dot(x, y))) : angle((dot(x, y) - 1) / 2);
      case "ball": {
        const [xx, yy, far] = [dot(x, x), dot(y, y), x.reduce((sum, v, k) => sum + (v - y[k]) ** 2, 0)];
        return Math.acosh(1 + (2 * far) / ((1 - xx) * (1 - yy)));
      }
      default: return null;
    }
  }

  /** words says what a point is. */
  words() {
    const of = ({ kind, n }) => {
      const key = kind === "sphere" && n === 2 ? "globe" : n === 1 && /torus|numbers/.test(kind) ? `${kind}.one` : kind;
      return say(h("span"), `runs.space.${key}`, { n });
    };
    return this.factors.flatMap((f, k) => [k ? " × " : "", f ? of(f) : ""]);
  }
}

/**
 * pieces cuts flat paths where an angle comes round, so that no line crosses the picture: each piece goes on to where
 * its end lies beyond the edge, and the next begins as far before the other edge.
 */
export function pieces(paths, periods) {
  if (!periods.some(Boolean)) return paths;
  return paths.flatMap((path) => {
    const out = [path.slice(0, 2)];
    for (let k = 2; k + 1 < path.length; k += 2) {
      const [from, to] = [path.slice(k - 2, k), path.slice(k, k + 2)];
      const near = to.map((v, d) => from[d] + turned(v - from[d], periods[d]));
      out.at(-1).push(...near);
      if (near.some((v, d) => Math.abs(v - to[d]) > 1e-9)) {
        out.push([...from.map((v, d) => v + to[d] - near[d]), ...to]);
      }
    }
    return out;
  });
}
