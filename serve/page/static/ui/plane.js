// A picture of the plane, as layers that are painted one over another.
import { color, image, scale } from "./colors.js";
import { h, number } from "./dom.js";
import { label, say } from "./lang.js";
import { redrawn } from "./redraw.js";

const painters = { density, points, arrows, lines, box: rectangle, text };

/**
 * Plane is a picture of box [x0, x1, y0, y1], with axes. Its layers are objects of a kind:
 *
 *   density  {values, w, h, max, box?}            values row by row from below; max is the darkest
 *   points   {x, shape, color, size, alpha}       x is flat: [x, y, x, y, …]; shapes: circle, diamond, …
 *   arrows   {x, v, scale, color, width, alpha}   arrows v·scale at x
 *   lines    {paths, color, width, dash, alpha}   paths are flat
 *   box      {box, color, dash}
 *   text     {x, text, color, align}              text is a string, x a point
 *
 * Colours are names of ui.css. `name` is the key of what it shows, and `axes` are the names of what is across and up.
 * With `pick`, a pointer or the arrow keys choose a point: pick(x, y, done).
 */
export class Plane {
  constructor({ box = [-4, 4, -4, 4], name, axes = [], pick = null, at = null, hover = false }) {
    this.box = box;
    this.axes = axes;
    this.layers = [];
    this.pick = pick;
    this.at = at ?? [(box[0] + box[1]) / 2, (box[2] + box[3]) / 2];
    this.canvas = h("canvas", { class: "plane", role: pick ? "application" : "img", tabindex: pick ? 0 : null });
    const shape = (box[1] - box[0]) / (box[3] - box[2]);
    this.shape = shape > 0.25 && shape < 4 ? shape : 1; // else the sides are of different units
    this.canvas.style.aspectRatio = this.shape;
    label(this.canvas, name);
    this.el = this.canvas;
    this.g = this.canvas.getContext("2d");
    new ResizeObserver(() => this.fit()).observe(this.canvas);
    redrawn(this.canvas, () => this.paint());
    if (pick) this.listen(hover);
  }

  /** show paints other layers. */
  show(layers) {
    this.layers = layers.filter(Boolean);
    this.paint();
  }

  fit() {
    const { clientWidth: w, clientHeight: height } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(w * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.paint();
  }

  /** px are the pixels of a point. */
  px(x, y) {
    const [x0, x1, y0, y1] = this.box;
    return [((x - x0) / (x1 - x0)) * this.w, (1 - (y - y0) / (y1 - y0)) * this.h];
  }

  paint() {
    if (!this.canvas.width) return;
    const ratio = window.devicePixelRatio || 1;
    this.w = this.canvas.width / ratio;
    this.h = this.canvas.height / ratio;
    const g = this.g;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, this.w, this.h);
    for (const l of this.layers) if (l.kind === "density") this.layer(l);
    this.grid();
    for (const l of this.layers) if (l.kind !== "density") this.layer(l);
    this.numbers();
    if (this.keys) this.cross();
  }

  /** cross shows where the arrow keys are. */
  cross() {
    const [x, y] = this.px(...this.at);
    for (const [style, width] of [["surface", 5], ["accent", 2]]) {
      this.g.strokeStyle = color(style);
      this.g.lineWidth = width;
      line(this.g, [x - 12, y, x + 12, y]);
      line(this.g, [x, y - 12, x, y + 12]);
    }
  }

  layer(l) {
    this.g.save();
    painters[l.kind](this, this.g, l);
    this.g.restore();
  }

  /** ticks are the round numbers of an axis from one end to the other, of so many pixels. */
  ticks(from, to, pixels) {
    const step = nice((to - from) / (this.w < 260 ? 4 : 8) / (pixels / this.w));
    const out = [];
    for (let k = Math.ceil(from / step); k * step <= to; k++) out.push({ k, at: k * step, text: tick(k, step) });
    return out;
  }

  grid() {
    const g = this.g;
    const [x0, x1, y0, y1] = this.box;
    g.lineWidth = 1;
    for (const { k, at } of this.ticks(x0, x1, this.w)) {
      const [px] = this.px(at, 0);
      g.strokeStyle = color(k === 0 ? "axis" : "grid");
      line(g, [px, 0, px, this.h]);
    }
    for (const { k, at } of this.ticks(y0, y1, this.h)) {
      const [, py] = this.px(0, at);
      g.strokeStyle = color(k === 0 ? "axis" : "grid");
      line(g, [0, py, this.w, py]);
    }
  }

  /** numbers writes the numbers of the axes, with an edge that keeps them legible on any density. */
  numbers() {
    const g = this.g;
    const [x0, x1, y0, y1] = this.box;
    const write = (text, x, y) => {
      g.strokeText(text, x, y);
      g.fillText(text, x, y);
    };
    g.save();
    g.font = "11px system-ui, sans-serif";
    g.fillStyle = color("muted");
    g.strokeStyle = color("surface");
    g.lineWidth = 3;
    g.lineJoin = "round";
    g.textAlign = "center";
    for (const { at, text: number_ } of this.ticks(x0, x1, this.w)) {
      const [px] = this.px(at, 0);
      if (px > 12 && px < this.w - 12) write(number_, px, this.h - 5);
    }
    g.textAlign = "left";
    for (const { at, text: number_ } of this.ticks(y0, y1, this.h)) {
      const [, py] = this.px(0, at);
      if (py > (this.axes.length ? 30 : 14) && py < this.h - 22) write(number_, 4, py - 3);
    }
    g.font = "600 11px system-ui, sans-serif";
    const [across, up] = this.axes;
    if (up) write(`${up} ↑`, 4, 13);
    g.textAlign = "right";
    if (across) write(`${across} →`, this.w - 5, this.h - 19);
    g.restore();
  }

  listen(hover) {
    const c = this.canvas;
    const point = (e) => {
      const r = c.getBoundingClientRect();
      const [x0, x1, y0, y1] = this.box;
      const clip = (v) => Math.min(1, Math.max(0, v));
      return [x0 + clip((e.clientX - r.left) / r.width) * (x1 - x0),
        y1 - clip((e.clientY - r.top) / r.height) * (y1 - y0)];
    };
    let down = false;
    const go = (e, done) => {
      this.keys = false;
      this.at = point(e);
      this.pick(...this.at, done);
    };
    c.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      down = true;
      c.setPointerCapture(e.pointerId);
      go(e, false);
    });
    c.addEventListener("pointermove", (e) => {
      if (down || (hover && e.pointerType === "mouse")) go(e, false);
    });
    c.addEventListener("pointerup", (e) => {
      if (down) go(e, true);
      down = false;
    });
    c.addEventListener("pointercancel", () => (down = false));
    c.addEventListener("keydown", (e) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
      if (!move || e.ctrlKey || e.metaKey || e.altKey) return;
      e.preventDefault();
      const [x0, x1, y0, y1] = this.box;
      const steps = e.shiftKey ? 10 : 40;
      this.at = [Math.min(x1, Math.max(x0, this.at[0] + (move[0] * (x1 - x0)) / steps)),
        Math.min(y1, Math.max(y0, this.at[1] + (move[1] * (y1 - y0)) / steps))];
      this.keys = true;
      this.pick(...this.at, true);
      this.paint();
    });
    c.addEventListener("blur", () => {
      this.keys = false;
      this.paint();
    });
  }
}

/** nice returns the round number next above x: 1, 2 or 5 times a power of ten. */
function nice(x) {
  const p = 10 ** Math.floor(Math.log10(x));
  return [1, 2, 5, 10].find((k) => k * p >= x * 0.999) * p;
}

/** tick writes k steps with as many digits as tell it from its neighbours. */
export function tick(k, step) {
  const size = (x) => Math.floor(Math.log10(Math.abs(x)) + 1e-9);
  return k === 0 ? "0" : number(k * step, Math.max(1, size(k * step) - size(step) + 1));
}

function line(g, path) {
  g.beginPath();
  for (let k = 0; k < path.length; k += 2) g[k ? "lineTo" : "moveTo"](path[k], path[k + 1]);
  g.stroke();
}

function density(p, g, l) {
  const [x0, x1, y0, y1] = l.box ?? p.box;
  const [left, top] = p.px(x0, y1);
  const [right, bottom] = p.px(x1, y0);
  g.imageSmoothingEnabled = true;
  g.imageSmoothingQuality = "high";
  g.drawImage(image(l), left, top, right - left, bottom - top);
}

/** shape draws the outline of a mark around x, y. */
export function shape(g, kind, x, y, r) {
  g.beginPath();
  const corners = {
    diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
    square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
    triangle: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
    star: Array.from({ length: 10 }, (_, k) => {
      const a = (k * Math.PI) / 5 - Math.PI / 2;
      return [Math.cos(a) * (k % 2 ? 0.65 : 1.5), Math.sin(a) * (k % 2 ? 0.65 : 1.5)];
    }),
  }[kind];
  if (!corners) {
    g.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  corners.forEach(([dx, dy], k) => g[k ? "lineTo" : "moveTo"](x + dx * r, y + dy * r));
  g.closePath();
}

function points(p, g, l) {
  const r = (l.size ?? 3) * Math.min(1, Math.max(0.6, p.w / 380)); // smaller marks in small pictures
  g.globalAlpha = l.alpha ?? 1;
  g.fillStyle = color(l.color ?? "data");
  g.strokeStyle = color("surface");
  g.lineWidth = r > 3.5 ? 1.5 : 0.75;
  for (let k = 0; k + 1 < l.x.length; k += 2) {
    shape(g, l.shape, ...p.px(l.x[k], l.x[k + 1]), r);
    if (l.shape === "ring") {
      g.strokeStyle = color(l.color ?? "data");
      g.lineWidth = 2;
      g.stroke();
      continue;
    }
    g.fill();
    g.stroke();
  }
}

function arrows(p, g, l) {
  for (let k = 0; k + 1 < l.x.length; k += 2) {
    const i = k / 2;
    const scale = l.scale ?? 1;
    const width = l.widths?.[i] ?? l.width ?? 1.5;
    const from = p.px(l.x[k], l.x[k + 1]);
    const to = p.px(l.x[k] + scale * l.v[k], l.x[k + 1] + scale * l.v[k + 1]);
    g.globalAlpha = 0.7; // an edge, for arrows on a density of their own lightness
    g.strokeStyle = g.fillStyle = color("surface");
    arrow(g, from, to, width, 1.6);
    g.globalAlpha = l.alphas?.[i] ?? l.alpha ?? 1;
    g.strokeStyle = g.fillStyle = color(l.color ?? "field");
    arrow(g, from, to, width);
  }
}

function arrow(g, [ax, ay], [bx, by], width, edge = 0) {
  const length = Math.hypot(bx - ax, by - ay);
  if (length < 0.5) return;
  const head = Math.min(3 + 2.4 * width, length * 0.6);
  const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
  g.lineWidth = width + edge;
  line(g, [ax, ay, bx - ux * head * 0.8, by - uy * head * 0.8]);
  g.beginPath();
  g.moveTo(bx, by);
  g.lineTo(bx - ux * head - uy * head * 0.45, by - uy * head + ux * head * 0.45);
  g.lineTo(bx - ux * head + uy * head * 0.45, by - uy * head - ux * head * 0.45);
  g.closePath();
  g.fill();
  if (edge) {
    g.lineWidth = edge;
    g.stroke();
  }
}

function lines(p, g, l) {
  g.globalAlpha = l.alpha ?? 1;
  g.strokeStyle = color(l.color ?? "field");
  g.lineWidth = l.width ?? 1.5;
  g.lineJoin = g.lineCap = "round";
  g.setLineDash(l.dash ?? []);
  for (const path of l.paths) {
    const px = [];
    for (let k = 0; k + 1 < path.length; k += 2) px.push(...p.px(path[k], path[k + 1]));
    line(g, px);
  }
}

function rectangle(p, g, l) {
  const [left, top] = p.px(l.box[0], l.box[3]);
  const [right, bottom] = p.px(l.box[1], l.box[2]);
  g.strokeStyle = color(l.color ?? "ink");
  g.lineWidth = l.width ?? 2;
  g.setLineDash(l.dash ?? []);
  g.strokeRect(left, top, right - left, bottom - top);
}

function text(p, g, l) {
  const [x, y] = p.px(...l.x);
  g.font = `${l.bold ? "600 " : ""}12px system-ui, sans-serif`;
  g.textAlign = l.align ?? "center";
  g.textBaseline = "middle";
  g.lineWidth = 4;
  g.lineJoin = "round";
  g.strokeStyle = color("surface");
  g.strokeText(l.text, x, y);
  g.fillStyle = color(l.color ?? "ink");
  g.fillText(l.text, x, y);
}

/**
 * legend lists what marks mean: {mark: "circle", color, key}, where marks are shapes, "dot" (small and faint), "line",
 * "dash", "arrow", "box" and "scale" (a scale of densities from nothing to the most).
 */
export function legend(items) {
  const list = h("ul", { class: "legend" });
  const paint = () => list.replaceChildren(...items.map(({ mark, color: c, key }) =>
    h("li", {}, sample(mark, c ?? "ink"), say(h("span"), key))));
  paint();
  return redrawn(list, paint);
}

/** sample is a small picture of a mark. */
function sample(mark, of) {
  const ratio = window.devicePixelRatio || 1;
  const [w, height] = mark === "scale" ? [56, 12] : [24, 14];
  const canvas = h("canvas", { width: w * ratio, height: height * ratio, "aria-hidden": "true" });
  canvas.style.width = `${w}px`;
  canvas.style.height = `${height}px`;
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  g.fillStyle = g.strokeStyle = color(of);
  g.lineWidth = 2;
  if (mark === "scale") {
    const colors = scale();
    for (let x = 0; x < w; x++) {
      const k = 4 * Math.round((255 * x) / (w - 1));
      g.fillStyle = `rgba(${colors[k]},${colors[k + 1]},${colors[k + 2]},${colors[k + 3] / 255})`;
      g.fillRect(x, 0, 1, height);
    }
  } else if (mark === "line" || mark === "dash") {
    g.setLineDash(mark === "dash" ? [5, 4] : []);
    line(g, [1, 7, 23, 7]);
  } else if (mark === "box") g.strokeRect(7, 2, 10, 10);
  else if (mark === "arrow") arrow(g, [1, 7], [23, 7], 2);
  else {
    if (mark === "dot") g.globalAlpha = 0.4;
    shape(g, mark, 12, 7, mark === "dot" ? 2.5 : 4.5);
    if (mark === "ring") g.stroke();
    else g.fill();
  }
  return canvas;
}
