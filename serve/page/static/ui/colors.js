// The colours of pictures. They come from ui.css, so that they follow the theme.
import { onTheme, theme } from "./theme.js";

let cache = new Map();
let ramp = null;
onTheme(() => {
  cache = new Map();
  ramp = null;
});

/** color returns the colour that ui.css calls --name. */
export function color(name) {
  if (!cache.has(name)) {
    cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || name);
  }
  return cache.get(name);
}

// Viridis: its lightness only grows, so that it reads in grey and with any vision of colours.
const viridis = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"].map(
  (hex) => [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16)));

/**
 * scale returns 256 colours as RGBA, from nothing to the most. The most stands out from the page: dark on
 * light, light on dark; nothing is transparent.
 */
export function scale() {
  if (ramp) return ramp;
  ramp = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const share = i / 255;
    const at = (theme() === "dark" ? share : 1 - share) * (viridis.length - 1);
    const k = Math.min(Math.floor(at), viridis.length - 2);
    for (let c = 0; c < 3; c++) ramp[4 * i + c] = viridis[k][c] + (at - k) * (viridis[k + 1][c] - viridis[k][c]);
    ramp[4 * i + 3] = 255 * Math.min(1, share * 7);
  }
  return ramp;
}

/** image returns a canvas of w x h values, row 0 at the bottom, where max is the most. */
export function image({ w, h, values, max }) {
  const canvas = document.createElement("canvas");
  canvas.width = w;
  canvas.height = h;
  const g = canvas.getContext("2d");
  const out = g.createImageData(w, h);
  const colors = scale();
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const v = Math.min(255, Math.max(0, Math.round((255 * values[y * w + x]) / max))) || 0;
      out.data.set(colors.subarray(4 * v, 4 * v + 4), 4 * ((h - 1 - y) * w + x));
    }
  }
  g.putImageData(out, 0, 0);
  return canvas;
}
