// Elements in one expression.

/**
 * h makes an element. Properties: class, dataset, on (listeners by event), and others as attributes,
 * where null and false mean none. Children are nodes, texts, lists of them, or null.
 */
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") el.className = value;
    else if (key === "dataset") Object.assign(el.dataset, value);
    else if (key === "on") for (const [event, fn] of Object.entries(value)) el.addEventListener(event, fn);
    else el.setAttribute(key, value === true ? "" : value);
  }
  el.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

/** svg makes an icon of paths that is drawn in the colour of the text. */
export function icon(...paths) {
  const ns = "http://www.w3.org/2000/svg";
  const el = document.createElementNS(ns, "svg");
  for (const [k, v] of Object.entries({ viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true" })) {
    el.setAttribute(k, v);
  }
  for (const d of paths) {
    const p = document.createElementNS(ns, "path");
    p.setAttribute("d", d);
    el.append(p);
  }
  return el;
}

/** uid returns a name for an element that no other has. */
let count = 0;
export const uid = (of) => `${of}-${++count}`;

/** plain writes a number without zeros at its end. */
export const plain = (x, digits = 4) => number(x, digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

/** number writes a number with so many significant digits, with a true minus sign. */
export function number(x, digits = 3) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "–" : x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) {
    const [m, e] = x.toExponential(digits - 1).split("e");
    const power = String(Number(e)).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
    return `${m.replace("-", "−")}·10${power}`;
  }
  const decimals = size === 0 ? digits - 1 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return x.toFixed(Math.min(decimals, 6)).replace("-", "−");
}

/** fixed writes a number with so many decimals, with a true minus sign. */
export const fixed = (x, decimals = 2) => {
  const text = x.toFixed(decimals).replace("-", "−");
  return /^−0\.?0*$/.test(text) ? text.slice(1) : text;
};
