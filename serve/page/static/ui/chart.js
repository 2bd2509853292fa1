// Charts of curves, by uPlot, in the looks of the page.
import uPlot from "/static/vendor/uplot/uPlot.esm.js";
import { color } from "./colors.js";
import { h, number, plain } from "./dom.js";
import { label, t } from "./lang.js";
import { redrawn } from "./redraw.js";

/** powers are those of a base from min to max, each also times the factors. */
function powers(base, min, max, factors = [1]) {
  const out = [];
  for (let k = Math.floor(Math.log(min) / Math.log(base) - 1e-9); base ** k <= max * 1.000001; k++) {
    out.push(...factors.map((f) => f * base ** k).filter((v) => v >= min * 0.999999 && v <= max * 1.000001));
  }
  return out;
}

/** ticks are the marks of a logarithmic axis: powers of its base, and where these are few, round numbers between. */
export function ticks(base, min, max) {
  let out = powers(base, min, max);
  if (out.length < 3 && base === 10) out = powers(base, min, max, [1, 2, 5]);
  if (out.length >= 3 || !(max > min)) return out;
  const rough = (max - min) / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5].find((f) => f * unit >= rough) ?? 10);
  out = [];
  for (let k = Math.ceil(min / step - 1e-9); k * step <= max * 1.000001; k++) out.push(k * step);
  return out;
}

/** styleOf is the style of a border that looks as a line of dashes. */
const styleOf = (dash) => (!dash ? "solid" : dash[0] < dash[1] ? "dotted" : "dashed");

/**
 * Chart draws curves over one axis. `x` and `y` are {key, log, range}, where log is the base of a
 * logarithmic axis (2 or 10); `series` are {key, color, dash, points, width, span}, in the order of the
 * data: show([xs, ys, …]), where null is a hole, which `span` bridges. The legend has a line of its own style for
 * each, and the values under the cursor. at(x) marks a place.
 */
export class Chart {
  constructor({ name, x, y, series, height = 240 }) {
    Object.assign(this, { name, x, y, series, height });
    this.data = [[], ...series.map(() => [])];
    this.mark = null;
    this.el = h("div", { class: "chart", role: "img" });
    label(this.el, name);
    new ResizeObserver(() => this.fit()).observe(this.el);
    redrawn(this.el, () => this.make());
  }

  /** show draws other data. */
  show(data) {
    this.data = data;
    if (this.plot) this.plot.setData(data);
    else this.make();
  }

  /** at marks a value of the x axis; null: none. */
  at(x) {
    this.mark = x;
    this.plot?.redraw(false);
  }

  fit() {
    const width = this.el.clientWidth;
    if (!this.plot) this.make();
    else if (width && width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  make() {
    const width = this.el.clientWidth;
    if (!width || this.over) return;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(width), this.data, this.el);
  }

  /** destroy ends it: uPlot listens to the window. */
  destroy() {
    this.plot?.destroy();
    this.plot = null;
    this.over = true;
  }

  options(width) {
    const axis = (a, size) => ({
      label: t(a.key), labelSize: 18, labelGap: 2, labelFont: "12px system-ui, sans-serif",
      font: "11px system-ui, sans-serif",
      stroke: color("muted"), grid: { stroke: color("grid"), width: 1 },
      ticks: { stroke: color("grid"), width: 1, size: 4 },
      size, values: (_, vs) => vs.map((v) => (v === null ? "" : plain(v, 3))),
      ...(a.log ? { splits: (_, k, min, max) => ticks(a.log, min, max), filter: (_, vs) => vs } : {}),
    });
    const range = (a) => (a.range ? () => a.range : undefined);
    return {
      width,
      height: this.height,
      padding: [10, 16, 0, 0],
      pxAlign: 0,
      scales: {
        x: { time: false, distr: this.x.log ? 3 : 1, log: this.x.log, range: range(this.x) },
        y: { distr: this.y.log ? 3 : 1, log: this.y.log, range: range(this.y) },
      },
      axes: [axis(this.x, 28), axis(this.y, 50)],
      series: [
        { label: t(this.x.key), value: (_, v) => (v === null ? "" : number(v, 3)) },
        ...this.series.map((s) => ({
          label: t(s.key), stroke: () => color(s.color), width: s.width ?? 2, dash: s.dash, spanGaps: s.span ?? false,
          value: (_, v) => (v === null || v === undefined ? "" : number(v, 3)),
          points: { show: s.points ?? false, size: 7, fill: () => color(s.color), stroke: () => color(s.color) },
          paths: s.width === 0 ? () => null : undefined,
        })),
      ],
      legend: { markers: { width: 2, dash: (_, k) => styleOf(this.series[k - 1]?.dash) } },
      cursor: { drag: { x: false, y: false } },
      hooks: {
        draw: [(u) => {
          if (this.mark === null) return;
          const px = u.valToPos(this.mark, "x", true);
          const g = u.ctx;
          g.save();
          g.setLineDash([]);
          g.strokeStyle = color("accent");
          g.lineWidth = 2 * (window.devicePixelRatio || 1);
          g.beginPath();
          g.moveTo(px, u.bbox.top);
          g.lineTo(px, u.bbox.top + u.bbox.height);
          g.stroke();
          g.restore();
        }],
      },
    };
  }
}
