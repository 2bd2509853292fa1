// Marginals: bars of levels, and histograms of numbers, with an outline of others behind.
import { color } from "../ui/colors.js";
import { h, plain } from "../ui/dom.js";
import { t } from "../ui/lang.js";
import { redrawn } from "../ui/redraw.js";

const mostLevels = 12;
const bins = 24;

/** histogram returns the shares of the values of a column, and of others, as {names, ends, whole, own, other}. */
export function histogram(column, values, others) {
  const share = (v, of) => of.map((test) => v.filter(test).length / Math.max(1, v.length));
  const missing = (v) => v === null;
  const all = [...values, ...(others ?? [])];
  const texts = column.levels || all.some((v) => typeof v === "string");
  const gaps = all.some(missing);
  if (texts) {
    const counts = new Map();
    for (const v of all) if (!missing(v)) counts.set(String(v), (counts.get(String(v)) ?? 0) + 1);
    const inOrder = column.levels ? column.levels.filter((l) => counts.has(l)) : [...counts.keys()].sort();
    const often = [...inOrder].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, mostLevels);
    const kept = inOrder.filter((l) => often.includes(l));
    const tests = kept.map((l) => (v) => String(v) === l && !missing(v));
    const names = kept.map((text) => ({ text }));
    if (kept.length < inOrder.length) {
      tests.push((v) => !missing(v) && !kept.includes(String(v)));
      names.push({ key: "runs.rows.others" });
    }
    if (gaps) {
      tests.push(missing);
      names.push({ key: "runs.rows.missing" });
    }
    return { names, own: share(values, tests), other: others && share(others, tests) };
  }
  const sorted = all.filter((v) => !missing(v)).sort((a, b) => a - b);
  // A few far values would leave a single bar of the rest.
  let lo = sorted[Math.floor(0.002 * (sorted.length - 1))] ?? 0;
  let hi = sorted[Math.ceil(0.998 * (sorted.length - 1))] ?? 1;
  if (lo === hi && !column.step) [lo, hi] = [lo - 0.5, hi + 0.5];
  const whole = column.step && (hi - lo) / column.step < bins ? column.step : 0;
  const ends = [lo, hi]; // what the axis says: whole numbers are in the middle of their bars
  if (whole) [lo, hi] = [lo - whole / 2, hi + whole / 2];
  const n = whole ? Math.round((hi - lo) / whole) : bins;
  const bin = (v) => Math.min(n - 1, Math.max(0, Math.floor((n * (v - lo)) / (hi - lo))));
  const tests = Array.from({ length: n }, (_, k) => (v) => !missing(v) && bin(v) === k);
  const gone = (v) => v.filter(missing).length / Math.max(1, v.length);
  return { ends, whole, own: share(values, tests), other: others && share(others, tests),
    missing: gaps ? gone(values) : null };
}

/** Bars is the picture of one column. */
export class Bars {
  constructor(name) {
    this.name = name;
    this.canvas = h("canvas", { class: "bars", role: "img", "aria-label": name });
    this.note = h("p", { class: "muted small" });
    this.el = h("figure", { class: "marginal" }, h("figcaption", {}, name), this.canvas, this.note);
    new ResizeObserver(() => this.paint()).observe(this.canvas);
    redrawn(this.canvas, () => this.paint());
  }

  show(of) {
    this.of = of;
    this.canvas.style.height = of.names ? `${Math.max(70, 22 * of.names.length + 6)}px` : "120px";
    this.paint();
  }

  paint() {
    const { of, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [w, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!of || !w) return;
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(height * ratio);
    const g = canvas.getContext("2d");
    g.scale(ratio, ratio);
    g.font = "12px system-ui, sans-serif";
    if (of.names) this.levels(g, w);
    else this.numbers(g, w, height);
    this.note.textContent = of.missing ? t("runs.rows.share", { n: (100 * of.missing).toFixed(0) }) : "";
  }

  levels(g, w) {
    const { of } = this;
    const texts = of.names.map((n) => n.text ?? t(n.key));
    const room = Math.min(0.42 * w, Math.max(...texts.map((s) => g.measureText(s).width)) + 10);
    const most = Math.max(...of.own, ...(of.other ?? []), 1e-9);
    const length = w - room - 44;
    texts.forEach((s, k) => {
      const y = 22 * k + 3;
      g.fillStyle = color("ink");
      g.textBaseline = "middle";
      g.textAlign = "left";
      g.fillText(fit(g, s, room - 8), 0, y + 8);
      g.fillStyle = color("field");
      g.fillRect(room, y, Math.max(1, (length * of.own[k]) / most), 16);
      if (of.other) {
        g.strokeStyle = color("data");
        g.lineWidth = 2;
        const x = room + (length * of.other[k]) / most;
        g.beginPath();
        g.moveTo(x, y - 2);
        g.lineTo(x, y + 18);
        g.stroke();
      }
      g.fillStyle = color("muted");
      const end = Math.max(of.own[k], of.other?.[k] ?? 0);
      g.fillText(`${(100 * of.own[k]).toFixed(0)} %`, room + (length * end) / most + 6, y + 8);
    });
  }

  numbers(g, w, height) {
    const { of } = this;
    const bottom = height - 18;
    const most = Math.max(...of.own, ...(of.other ?? []), 1e-9);
    const each = w / of.own.length;
    const y = (v) => bottom - ((bottom - 4) * v) / most;
    g.fillStyle = color("field");
    of.own.forEach((v, k) => g.fillRect(k * each + 0.5, y(v), Math.max(1, each - 1), bottom - y(v)));
    if (of.other) {
      g.strokeStyle = color("data");
      g.lineWidth = 2;
      g.beginPath();
      g.moveTo(0, bottom);
      of.other.forEach((v, k) => {
        g.lineTo(k * each, y(v));
        g.lineTo((k + 1) * each, y(v));
      });
      g.lineTo(w, bottom);
      g.stroke();
    }
    g.strokeStyle = color("axis");
    g.lineWidth = 1;
    g.beginPath();
    g.moveTo(0, bottom + 0.5);
    g.lineTo(w, bottom + 0.5);
    g.stroke();
    g.fillStyle = color("muted");
    g.textBaseline = "bottom";
    of.ends.slice(0, of.own.length).forEach((v, k) => {
      const text = plain(v);
      const middle = of.whole && g.measureText(text).width < each;
      g.textAlign = middle ? "center" : k ? "right" : "left";
      g.fillText(text, (k ? w : 0) + (middle ? (k ? -each : each) / 2 : 0), height);
    });
  }
}

/** fit shortens a text to a width. */
function fit(g, text, width) {
  if (g.measureText(text).width <= width) return text;
  let n = text.length;
  while (n > 1 && g.measureText(`${text.slice(0, n)}…`).width > width) n--;
  return `${text.slice(0, n)}…`;
}
