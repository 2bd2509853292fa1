// A picture of the sphere, seen from far away, that turns.
import { color, scale } from "./colors.js";
import { h } from "./dom.js";
import { label } from "./lang.js";
import { redrawn } from "./redraw.js";

/** place is the point of the sphere at a latitude and a longitude in degrees. */
export function place(latitude, longitude) {
  const [a, b] = [(latitude * Math.PI) / 180, (longitude * Math.PI) / 180];
  return [Math.cos(a) * Math.cos(b), Math.cos(a) * Math.sin(b), Math.sin(a)];
}

/**
 * Globe is a picture of points of the sphere, flat [x, y, z, x, y, z, …], over a density on a grid of so many
 * latitudes from the south and twice as many longitudes from -180. A pointer or the arrow keys turn it, and
 * on(latitude, longitude) hears of the middle of the side that is seen, in degrees.
 */
export class Globe {
  constructor({ name, on, latitude = 15, longitude = 20 }) {
    Object.assign(this, { latitude, longitude, on, points: [], density: null, coast: [] });
    this.el = h("canvas", { class: "plane globe", role: "application", tabindex: 0 });
    this.el.style.aspectRatio = "1";
    label(this.el, name);
    this.g = this.el.getContext("2d");
    new ResizeObserver(() => this.fit()).observe(this.el);
    redrawn(this.el, () => this.paint());
    this.listen();
  }

  show(points, density) {
    Object.assign(this, { points, density });
    this.paint();
  }

  /** outline draws lines of longitudes and latitudes in degrees, each flat. */
  outline(lines) {
    this.coast = lines.map((line) => Array.from({ length: line.length / 2 }, (_, k) =>
      place(line[2 * k + 1], line[2 * k])));
    this.paint();
  }

  fit() {
    const ratio = window.devicePixelRatio || 1;
    this.el.width = Math.round(this.el.clientWidth * ratio);
    this.el.height = Math.round(this.el.clientHeight * ratio);
    this.paint();
  }

  turn(east, north) {
    this.longitude = ((this.longitude + east + 540) % 360) - 180;
    this.latitude = Math.min(90, Math.max(-90, this.latitude + north));
    this.on?.(this.latitude, this.longitude);
    this.paint();
  }

  listen() {
    let at = null;
    this.el.addEventListener("pointerdown", (e) => {
      at = [e.clientX, e.clientY];
      this.el.setPointerCapture(e.pointerId);
    });
    this.el.addEventListener("pointermove", (e) => {
      if (!at) return;
      const by = 160 / this.el.clientWidth;
      this.turn((at[0] - e.clientX) * by, (e.clientY - at[1]) * by);
      at = [e.clientX, e.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) this.el.addEventListener(end, () => (at = null));
    this.el.addEventListener("keydown", (e) => {
      const move = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10] }[e.key];
      if (!move || e.ctrlKey || e.metaKey || e.altKey) return;
      e.preventDefault();
      this.turn(...move);
    });
  }

  /** axes are those of the picture in space: to the right, up, and towards the eye. */
  axes() {
    const [x, y, z] = place(this.latitude, this.longitude);
    const b = (this.longitude * Math.PI) / 180;
    const right = [-Math.sin(b), Math.cos(b), 0];
    return [right, [y * right[2] - z * right[1], z * right[0] - x * right[2], x * right[1] - y * right[0]], [x, y, z]];
  }

  paint() {
    if (!this.el.width) return;
    const { g } = this;
    const ratio = window.devicePixelRatio || 1;
    const size = this.el.width / ratio;
    const r = size / 2 - 4;
    const axes = this.axes();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, size, size);
    g.fillStyle = color("raised");
    g.beginPath();
    g.arc(size / 2, size / 2, r, 0, 2 * Math.PI);
    g.fill();
    if (this.density) {
      g.save();
      g.clip(); // the picture goes on beyond the rim, which is smooth then
      g.drawImage(this.shaded(axes), size / 2 - r, size / 2 - r, 2 * r, 2 * r);
      g.restore();
    }
    g.strokeStyle = color("axis");
    g.lineWidth = 1;
    g.stroke();
    this.lines(axes, size, r);
    this.marks(axes, size, r);
  }

  /** lines are those of latitude and longitude, 30 degrees apart, and coasts, where they can be seen. */
  lines(axes, size, r) {
    const { g } = this;
    const draw = (points) => {
      g.beginPath();
      let on = false;
      for (const p of points) {
        const [x, y, depth] = project(axes, p);
        if (depth > 0) g[on ? "lineTo" : "moveTo"](size / 2 + r * x, size / 2 - r * y);
        on = depth > 0;
      }
      g.stroke();
    };
    const along = (at, from, to) =>
      draw(Array.from({ length: (to - from) / 3 + 1 }, (_, k) => at(from + 3 * k)));
    g.strokeStyle = color("grid");
    for (let a = -60; a <= 60; a += 30) along((k) => place(a, k), -180, 180);
    for (let b = -180; b < 180; b += 30) along((k) => place(k, b), -90, 90);
    for (const [style, width] of [["surface", 2.5], ["muted", 1]]) {
      g.strokeStyle = color(style);
      g.lineWidth = width;
      this.coast.forEach(draw);
    }
  }

  /** marks are the points: those behind are small and faint. */
  marks(axes, size, r) {
    const { g, points } = this;
    g.fillStyle = color("data");
    g.strokeStyle = color("surface");
    g.lineWidth = 0.75;
    for (const front of [false, true]) {
      g.globalAlpha = front ? 0.95 : 0.18;
      for (let k = 0; k + 2 < points.length; k += 3) {
        const [x, y, depth] = project(axes, points.slice(k, k + 3));
        if (depth > 0 !== front) continue;
        g.beginPath();
        g.arc(size / 2 + r * x, size / 2 - r * y, front ? 2.8 : 1.6, 0, 2 * Math.PI);
        g.fill();
        if (front) g.stroke();
      }
    }
    g.globalAlpha = 1;
  }

  /** shaded is a picture of the density on the side that is seen. */
  shaded(axes) {
    const { values, n, max } = this.density;
    const side = 240;
    const canvas = h("canvas", { width: side, height: side });
    const g = canvas.getContext("2d");
    const out = g.createImageData(side, side);
    const colors = scale();
    for (let j = 0; j < side; j++) {
      for (let i = 0; i < side; i++) {
        const [x, y] = [(2 * i + 1) / side - 1, 1 - (2 * j + 1) / side];
        const far = Math.hypot(x, y);
        if (far > 1.05) continue;
        const [right, up] = far > 1 ? [x / far, y / far] : [x, y];
        const near = Math.sqrt(Math.max(0, 1 - right * right - up * up));
        const p = [0, 1, 2].map((d) => right * axes[0][d] + up * axes[1][d] + near * axes[2][d]);
        const row = ((Math.asin(Math.max(-1, Math.min(1, p[2]))) / Math.PI + 0.5) * n - 0.5);
        const col = (Math.atan2(p[1], p[0]) / Math.PI + 1) * n - 0.5;
        const v = Math.min(255, Math.max(0, Math.round((255 * blend(values, n, row, col)) / max))) || 0;
        out.data.set(colors.subarray(4 * v, 4 * v + 4), 4 * (j * side + i));
      }
    }
    g.putImageData(out, 0, 0);
    return canvas;
  }
}

/** project is a point as the eye has it: to the right, up, and towards it. */
const project = (axes, p) => axes.map((a) => a[0] * p[0] + a[1] * p[1] + a[2] * p[2]);

/** blend is the value between the cells of a grid around the sphere. */
function blend(values, n, row, col) {
  const [j, i] = [Math.floor(row), Math.floor(col)];
  const at = (b, a) => values[Math.min(n - 1, Math.max(0, b)) * 2 * n + ((a + 2 * n) % (2 * n))];
  const [v, u] = [row - j, col - i];
  return (1 - v) * ((1 - u) * at(j, i) + u * at(j, i + 1)) + v * ((1 - u) * at(j + 1, i) + u * at(j + 1, i + 1));
}
