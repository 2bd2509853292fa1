// What a picture of a flow in the plane is made of: paths of particles, and fields and densities at times.
import { between } from "../ui/states.js";
import { post, stream } from "./service.js";
import { pieces, turned } from "./spaces.js";

/**
 * at returns the points of all paths at a time, flat, between the times that there are. Angles go the shorter way
 * round.
 */
export function at({ times, states, periods = [0, 0] }, time) {
  if (!periods.some(Boolean)) return between(times, states.length, (k) => states[k], time);
  const now = between(times, states.length, (k) => states[k], time, (d, i) => turned(d, periods[i % 2]));
  return now.map((v, i) => turned(v, periods[i % 2]));
}

/** columns takes two columns of rows, flat. */
export const columns = (x, [i, k]) => x.flatMap((row) => [row[i], row[k]]);

/** paths asks for particles on their way, of which two columns are kept; periods are theirs, where these are angles. */
export async function paths(model, body, pair, { periods, ...options } = {}) {
  const it = { times: body.times, states: [], periods: periods && pair.map((k) => periods[k]) };
  await stream(model, body, (_, x) => it.states.push(columns(x, pair)), options);
  return it;
}

/**
 * boxOf is a box around where points begin and end, a little wider and not too long. A side whose range is known is
 * that range.
 */
export function boxOf(paths, ranges = [null, null]) {
  if (ranges.every(Boolean)) return ranges.flat();
  const side = (k) => {
    const ends = (states, share) => {
      const v = states.filter((_, i) => i % 2 === k && Number.isFinite(states[i])).sort((a, b) => a - b);
      return [v[Math.floor(share * (v.length - 1))], v[Math.ceil((1 - share) * (v.length - 1))]];
    };
    const [d0, d1] = ends(paths.states.at(-1), 0.002);
    const [n0, n1] = ends(paths.states[0], 0.01);
    const room = Math.max(d1 - d0, 1e-6);
    // Noise of many times the width of the data would leave of these but a dot.
    const lo = Math.max(Math.min(d0, n0), d0 - room);
    const hi = Math.min(Math.max(d1, n1), d1 + room);
    return [(lo + hi) / 2, (hi - lo) / 2];
  };
  const [cx, rx] = side(0);
  const [cy, ry] = side(1);
  const most = Math.max(rx, ry);
  const even = !ranges.some(Boolean) && most < 4 * Math.min(rx, ry); // sides of one scale, as in most pictures
  const [wx, wy] = even ? [most * 1.1, most * 1.1] : [rx * 1.1, ry * 1.1];
  const [across, up] = ranges;
  return [...(across ?? [cx - wx, cx + wx]), ...(up ?? [cy - wy, cy + wy])];
}

/** another says whether a box is another than before, by more than an eighth of a side. */
export const another = (box, before) => box.some((v, k) =>
  Math.abs(v - before[k]) > 0.12 * (k < 2 ? box[1] - box[0] : box[3] - box[2]));

/** trajectories are those of the first n particles. */
export const trajectories = ({ states, periods = [0, 0] }, n) => pieces(Array.from({ length: n }, (_, i) =>
  states.flatMap((s) => [s[2 * i], s[2 * i + 1]])), periods);

/** around is a box around flat points, within another: what is likely is in it. */
export function around(x, [x0, x1, y0, y1]) {
  const ends = (k, lo, hi) => {
    const v = x.filter((_, i) => i % 2 === k).sort((a, b) => a - b);
    const room = 0.3 * (v.at(-1) - v[0]) + 0.02 * (hi - lo);
    return [Math.max(lo, v[0] - room), Math.min(hi, v.at(-1) + room)];
  };
  return [...ends(0, x0, x1), ...ends(1, y0, y1)];
}

/** lattice returns the middles of n x n cells of a box, row by row from below. */
export function lattice([x0, x1, y0, y1], n) {
  const x = [];
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) x.push([x0 + ((i + 0.5) * (x1 - x0)) / n, y0 + ((j + 0.5) * (y1 - y0)) / n]);
  }
  return x;
}

// A density on a grid is for the eye: it needs fewer digits than the run's own solver gives. The error is controlled,
// for how many steps a run needs depends on its path and its data: VP and posteriors bend late and sharply. On VP, VE,
// CondOT and a posterior of two moons, the mass that is misplaced (the L1 distance from the run's own solver) is 0.02.
const gridSolver = { solver: "dopri5", rtol: 1e-3, atol: 1e-3 };
const mostMixed = 4;

/**
 * Marginals are the field and the density of a model at a time, given what its conditions say. Of all classes
 * they are those of the mixture: p = mean of p_k, and u = Σ p_k u_k / Σ p_k.
 */
export class Marginals {
  constructor(model, conditions, density) {
    Object.assign(this, { model, conditions, dense: density });
  }

  /** classes are those whose mixture is shown; null: there are too many. */
  classes() {
    const { classes } = this.model;
    if (!classes) return [""];
    if (this.conditions.class !== "") return [this.conditions.class];
    return classes.length <= mostMixed ? classes : null;
  }

  body(label, x, t) {
    const of = this.conditions.of();
    return { x, t, given: of.given, ...(label === "" ? {} : { label }) };
  }

  logpOf(label, x, t, how, options) {
    return post(this.model.name, "logp", { ...this.body(label, x, t), ...how }, options);
  }

  /** logp returns log-densities of points at a time. */
  async logp(x, t, how, options) {
    const of = this.classes();
    const each = await Promise.all(of.map((c) => this.logpOf(c, x, t, how, options)));
    if (each.length === 1) return each[0].logp.map((v) => v ?? -Infinity);
    return x.map((_, i) => {
      const v = each.map((e) => e.logp[i] ?? -Infinity);
      const most = Math.max(...v);
      if (most === -Infinity) return most;
      return most + Math.log(v.reduce((sum, u) => sum + Math.exp(u - most), 0) / v.length);
    });
  }

  /** density returns that of the middles of n x n cells of a box of a space, in which some may be no points: 0. */
  async density(box, n, t, options, space = null) {
    const rows = lattice(box, n).map((at) => (space ? space.row(at) : at));
    const within = rows.map((row) => space?.map.inside(row) ?? true);
    const logs = await this.logp(rows.filter((_, i) => within[i]), t, gridSolver, options);
    let k = 0;
    return within.map((is) => (is ? Math.exp(logs[k++]) : 0));
  }

  /** field returns velocities of points at a time. */
  async field(x, t, options) {
    const of = this.classes();
    const guidance = this.conditions.guided;
    const guided = guidance === null ? {} : { guidance };
    const ask = (c) => post(this.model.name, "field", { ...this.body(c, x, t), ...guided }, options);
    if (of.length === 1) return (await ask(of[0])).v;
    const each = await Promise.all(of.map(ask));
    const logs = this.dense
      ? await Promise.all(of.map((c) => this.logpOf(c, x, t, gridSolver, options)))
      : of.map(() => ({ logp: x.map(() => 0) }));
    return x.map((_, i) => {
      const v = logs.map((e) => e.logp[i] ?? -Infinity);
      const most = Math.max(...v);
      const w = v.map((u) => (most === -Infinity ? 1 : Math.exp(u - most)));
      const sum = w.reduce((a, b) => a + b, 0);
      return each[0].v[i].map((_, d) => w.reduce((a, wk, k) => a + (wk / sum) * each[k].v[i][d], 0));
    });
  }
}

/**
 * Frames keeps what was computed at times on a grid of so many: get(t) returns that of the time next to t, or
 * asks for it and returns the last that was shown. When nothing else is asked for, it asks for the others.
 */
export class Frames {
  constructor(count, make, on, note) {
    Object.assign(this, { count, make, on, note, kept: new Map(), running: null, last: null, ahead: false,
      wanted: null });
  }

  clear() {
    this.running?.abort();
    this.running = null;
    this.ahead = false;
    this.kept.clear();
    this.last = null;
  }

  get(t) {
    const k = Math.round(t * this.count);
    if (this.kept.has(k)) {
      this.last = this.kept.get(k);
    } else if (!this.running) {
      this.ask(k);
    }
    this.wanted = k;
    return this.last;
  }

  async ask(k) {
    const mine = new AbortController();
    this.running = mine;
    this.note.begin();
    try {
      const made = await this.make(k / this.count, mine.signal);
      if (this.running !== mine) return;
      this.kept.set(k, made);
      this.running = null;
      this.on();
      if (!this.running && this.wanted !== null && !this.kept.has(this.wanted)) this.ask(this.wanted);
      if (!this.running && this.ahead) this.next();
    } catch (e) {
      if (this.running === mine) this.running = null;
      if (e.name !== "AbortError") this.note.fail(e);
    } finally {
      this.note.end();
    }
  }

  /** next asks for the first time of which there is nothing yet. */
  next() {
    for (let k = 0; k <= this.count; k++) {
      if (!this.kept.has(k)) {
        this.ask(k);
        return;
      }
    }
  }
}
