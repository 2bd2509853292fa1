// Equations as MathML, of the small part of TeX that the pages use: letters, numbers, operators, sub- and
// superscripts, \frac, \sqrt, \dot, \hat, \mathbb, \text, \left and \right, and the symbols below. A library
// for all of TeX has 170 kB and needs inline styles, which the policy of the pages forbids.
const ns = "http://www.w3.org/1998/Math/MathML";

const letters = {
  alpha: "α", beta: "β", sigma: "σ", theta: "θ", phi: "φ", psi: "ψ", mu: "μ", nu: "ν", epsilon: "ε", pi: "π",
  Delta: "Δ", Theta: "Θ", infty: "∞", partial: "∂", nabla: "∇", ell: "ℓ", gamma: "γ", lambda: "λ",
};
const operators = {
  cdot: "·", times: "×", approx: "≈", sim: "∼", le: "≤", ge: "≥", to: "→", in: "∈", mid: "|", propto: "∝",
  pm: "±", ne: "≠", dots: "…", Vert: "∥", colon: ":", mapsto: "↦", equiv: "≡", gg: "≫",
};
const large = { int: "∫", sum: "∑", iint: "∬" };
const names = ["log", "exp", "det", "div", "min", "max", "tr"];
const doubled = { E: "𝔼", R: "ℝ" };

function m(tag, attributes, ...children) {
  const el = document.createElementNS(ns, tag);
  for (const [k, v] of Object.entries(attributes ?? {})) el.setAttribute(k, v);
  el.append(...children);
  return el;
}

const row = (nodes) => (nodes.length === 1 ? nodes[0] : m("mrow", null, ...nodes));

/** tokens cuts TeX into commands, numbers and single characters. */
const tokens = (tex) => tex.match(/\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|[^\s]/gu) ?? [];

class Reader {
  constructor(tex) {
    this.tex = tex;
    this.left = tokens(tex);
  }

  /** group reads what is in braces, or one token. */
  group() {
    if (this.left[0] !== "{") return this.atom();
    this.left.shift();
    const inside = this.until("}");
    this.left.shift();
    return row(inside);
  }

  /** words reads the braces of \text, whose spaces count. */
  words() {
    const at = this.tex.indexOf("\\text{", this.textFrom ?? 0) + 6;
    const end = this.tex.indexOf("}", at);
    this.textFrom = end;
    while (this.left.length > 0 && this.left.shift() !== "}");
    return this.tex.slice(at, end);
  }

  until(end) {
    const out = [];
    while (this.left.length && this.left[0] !== end) {
      let base = this.atom();
      let sub = null;
      let sup = null;
      while (["_", "^", "'"].includes(this.left[0])) {
        const mark = this.left.shift();
        if (mark === "_") sub = this.group();
        else if (mark === "^") sup = this.group();
        else base.append("′"); // fonts do not agree on primes as superscripts
      }
      if (sub && sup) base = m("msubsup", null, base, sub, sup);
      else if (sub) base = m("msub", null, base, sub);
      else if (sup) base = m("msup", null, base, sup);
      out.push(base);
      if (/^[∫∬]/.test(base.textContent)) out.push(m("mspace", { width: "0.35em" }));
    }
    return out;
  }

  atom() {
    const t = this.left.shift();
    if (t === undefined) throw new Error(`tex: something is missing at the end of ${this.tex}`);
    if (t === "{") {
      this.left.unshift(t);
      return this.group();
    }
    if (/^\d/.test(t)) return m("mn", null, t);
    if (/^\p{L}$/u.test(t)) return m("mi", null, t);
    if (t === "-") return m("mo", null, "−");
    if (t[0] !== "\\") return m("mo", "()[]|".includes(t) ? { stretchy: "false" } : null, t);
    return this.command(t.slice(1));
  }

  command(c) {
    if (letters[c]) return m("mi", c === "nabla" || c === "partial" ? { mathvariant: "normal" } : null, letters[c]);
    if (operators[c]) return m("mo", ["Vert", "mid"].includes(c) ? { stretchy: "false" } : null, operators[c]);
    if (large[c]) return m("mo", { largeop: "true" }, large[c]);
    if (names.includes(c)) {
      const name = m("mi", { mathvariant: "normal" }, c);
      return "(}_^".includes(this.left[0] ?? "}") ? name : m("mrow", null, name, m("mspace", { width: "0.17em" }));
    }
    switch (c) {
      case "frac": return m("mfrac", null, this.group(), this.group());
      case "sqrt": return m("msqrt", null, this.group());
      case "dot": return m("mover", { accent: "true" }, this.group(), m("mo", { stretchy: "false" }, "˙"));
      case "hat": return m("mover", { accent: "true" }, this.group(), m("mo", { stretchy: "false" }, "^"));
      case "mathbb": return m("mi", null, doubled[this.group().textContent]);
      case "mathcal": return m("mi", { class: "script" }, { N: "𝒩", L: "ℒ" }[this.group().textContent]);
      case "text": return m("mtext", null, this.words());
      case "left": case "right": return m("mo", { stretchy: "true", fence: "true" }, this.left.shift());
      case ",": return m("mspace", { width: "0.18em" });
      case "quad": return m("mspace", { width: "1em" });
      case "{": case "}": return m("mo", { stretchy: "false" }, c);
      case "\\": return m("mspace", { linebreak: "newline" });
      default: throw new Error(`tex: \\${c} is not known, in ${this.tex}`);
    }
  }
}

/** math returns an equation; in the line of a text, or as a block of its own. */
export function math(tex, block = false) {
  return m("math", { display: block ? "block" : "inline" }, m("mrow", null, ...new Reader(tex).until(null)));
}
