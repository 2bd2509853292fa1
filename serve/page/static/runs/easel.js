// An image to paint over what is missing of it, by pointer or keyboard.
import { h } from "../ui/dom.js";
import { label } from "../ui/lang.js";
import { paint } from "./pixels.js";

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Easel shows an image of a shape [height, width, channels], null until one is set, and what is missing of it: for
 * each pixel whether it is. `width` returns that of the brush, in pixels, and `name` is the key of what is shown.
 */
export class Easel {
  constructor({ shape, width, name }) {
    Object.assign(this, { shape, width, of: null, at: null });
    const [high, wide] = shape;
    this.missing = new Array(high * wide).fill(false);
    this.el = h("canvas", { class: "tile easel", width: wide, height: high, tabindex: 0, role: "application" });
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
    paint(this.el, this.shape, this.of);
    const g = this.el.getContext("2d");
    for (let p = 0; p < this.missing.length; p++) {
      if (!this.missing[p]) continue;
      // A pattern that no image has: two colours in turn.
      g.fillStyle = (p + Math.floor(p / wide)) % 2 ? "#c2410c" : "#f0a070";
      g.fillRect(p % wide, Math.floor(p / wide), 1, 1);
    }
    if (this.at && document.activeElement === this.el) {
      const [x, y] = this.at.map((v) => Math.floor(v - this.width() / 2) + 0.5);
      g.strokeStyle = "#2456c7";
      g.strokeRect(x, y, this.width(), this.width());
    }
  }

  dab([x, y]) {
    const [high, wide] = this.shape;
    const r = this.width() / 2;
    const [bottom, right] = [Math.min(high, Math.round(y + r)), Math.min(wide, Math.round(x + r))];
    for (let j = Math.max(0, Math.round(y - r)); j < bottom; j++) {
      for (let i = Math.max(0, Math.round(x - r)); i < right; i++) this.missing[j * wide + i] = true;
    }
    this.show();
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
