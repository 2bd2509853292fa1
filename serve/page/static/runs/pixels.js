// Images as canvases: values from -1 to 1, row by row, channels last.
import { h } from "../ui/dom.js";
import { Said, strings } from "../ui/lang.js";

strings({
  en: { "runs.unread": "{name} is no image that this browser reads." },
  zh: { "runs.unread": "此浏览器无法将 {name} 读作图像。" },
});

/** tile returns a canvas of an image of a shape [height, width, channels]. */
export function tile(shape, values, name) {
  const canvas = h("canvas", { class: "tile", width: shape[1], height: shape[0], role: "img", "aria-label": name });
  paint(canvas, shape, values);
  return canvas;
}

/** paint draws an image on a canvas of its size. */
export function paint(canvas, [high, wide, channels = 1], values) {
  const g = canvas.getContext("2d");
  const out = g.createImageData(wide, high);
  const byte = (v) => Math.round(127.5 * (Math.min(1, Math.max(-1, v ?? 0)) + 1));
  for (let p = 0; p < high * wide; p++) {
    for (let c = 0; c < 3; c++) out.data[4 * p + c] = byte(values[p * channels + (channels === 1 ? 0 : c)]);
    out.data[4 * p + 3] = 255;
  }
  g.putImageData(out, 0, 0);
}

/** most is how many images of a shape are asked for at a time, at most. */
export const most = (shape, n) => Math.max(1, Math.min(n, Math.floor(120000 / shape.reduce((a, b) => a * b, 1))));

/** read returns the values of an image file, brought to a shape. */
export async function read(file, [high, wide, channels = 1]) {
  const size = { resizeWidth: wide, resizeHeight: high, resizeQuality: "high" };
  const bitmap = await createImageBitmap(file, size).catch(() => {
    throw new Said("runs.unread", { name: file.name });
  });
  const g = h("canvas", { width: wide, height: high }).getContext("2d");
  g.drawImage(bitmap, 0, 0, wide, high);
  const { data } = g.getImageData(0, 0, wide, high);
  return Array.from({ length: high * wide * channels }, (_, k) => {
    const p = 4 * Math.floor(k / channels);
    const grey = 0.299 * data[p] + 0.587 * data[p + 1] + 0.114 * data[p + 2];
    return (channels === 1 ? grey : data[p + (k % channels)]) / 127.5 - 1;
  });
}
