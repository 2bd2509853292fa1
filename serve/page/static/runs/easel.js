// An image to paint over what is missing of it, by pointer or keyboard.
import { h } from "../ui/dom.js";
import { label } from "../ui/lang.js";
import { paint } from "./pixels.js";

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Easel shows an image of a shape [height, width, channels], null until one is set, and what is missing of it: for
 * each pixel whether it is. `width` returns that of the brush, in pixels, and `name` is the key of what is shown.
 * With `ink`, which returns a value, the brush paints that, and nothing is missing.
 */
export class Easel {
  constructor({ shape, width, name, ink = null }) {
    Object.assign(this, { shape, width, ink, of: null, at: null });
    const [high, wide] = shape;
    this.missing = new Array(high * wide).fill(false);
    this.zoom = Math.max(1, Math.floor(360 / Math.max(high, wide))); // so that the edge of the brush is a thin line
    this.el = h("canvas", { class: "tile easel", width: wide * this.zoom, height: high * this.zoom, tabindex: 0,
      role: "application" });
    this.small = h("canvas", { width: wide, height: high });
    label(this.el, name);
    this.listen();
  }

  get image() { return this.of; }

  set image(values) {
    this.of = values;
    this.show();
  }

  /** mask makes missing what of(x, y) is true of. */
  mask(of) {
    const wide = this.shape[1];
    this.missing = this.missing.map((_, p) => of(p % wide, Math.floor(p / wide)));
    this.show();
  }

  show() {
    if (!this.of) return;
    const wide = this.shape[1];
    paint(this.small, this.shape, this.of);
    const dots = this.small.getContext("2d");
    for (let p = 0; p < this.missing.length; p++) {
      if (!this.missing[p]) continue;
      // A pattern that no image has: two colours in turn.
      dots.fillStyle = (p + Math.floor(p / wide)) % 2 ? "#c2410c" : "#f0a070";
      dots.fillRect(p % wide, Math.floor(p / wide), 1, 1);
    }
    const g = this.el.getContext("2d");
    g.imageSmoothingEnabled = false;
    g.drawImage(this.small, 0, 0, this.el.width, this.el.height);
    if (this.at && document.activeElement === this.el) this.frame(g);
  }

  /** frame shows where the brush of the keyboard is, on light and on dark. */
  frame(g) {
    const [x, y] = this.at.map((v) => Math.round(v - this.width() / 2) * this.zoom);
    for (const [style, width] of [["#ffffff", 5], ["#2456c7", 3]]) {
      g.strokeStyle = style;
      g.lineWidth = width;
      g.strokeRect(x, y, this.width() * this.zoom, this.width() * this.zoom);
    }
  }

  dab([x, y]) {
    const [high, wide] = this.shape;
    const r = this.width() / 2;
    const [bottom, right] = [Math.min(high, Math.round(y + r)), Math.min(wide, Math.round(x + r))];
    for (let j = Math.max(0, Math.round(y - r)); j < bottom; j++) {
      for (let i = Math.max(0, Math.round(x - r)); i < right; i++) this.touch(j * wide + i);
    }
    this.show();
  }

  /** touch is the brush on a pixel. */
  touch(p) {
    if (!this.ink) this.missing[p] = true;
    else if (this.of) this.of.fill(this.ink(), p * (this.shape[2] ?? 1), (p + 1) * (this.shape[2] ?? 1));
  }

  listen() {
    const [high, wide] = this.shape;
    const c = this.el;
    let down = false;
    const point = (e) => {
      const r = c.getBoundingClientRect();
      return [((e.clientX - r.left) / r.width) * wide, ((e.clientY - r.top) / r.height) * high];
    };
    c.addEventListener("pointerdown", (e) => {
      down = true;
      c.setPointerCapture(e.pointerId);
      this.dab(point(e));
    });
    c.addEventListener("pointermove", (e) => down && this.dab(point(e)));
    for (const end of ["pointerup", "pointercancel"]) c.addEventListener(end, () => (down = false));
    c.addEventListener("keydown", (e) => {
      this.at ??= [wide / 2, high / 2];
      const move = arrows[e.key];
      if (e.key !== " " && !move) return;
      e.preventDefault();
      if (move) this.at = [wide, high].map((most, k) => Math.min(most, Math.max(0, this.at[k] + move[k])));
      else this.dab(this.at);
      this.show();
    });
    c.addEventListener("focus", () => this.show());
    c.addEventListener("blur", () => this.show());
  }
}
