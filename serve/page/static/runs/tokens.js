// The pane of sequences of tokens: they appear over time.
import { slider } from "../ui/controls.js";
import { h } from "../ui/dom.js";
import { label, say, strings } from "../ui/lang.js";
import { Conditions, seed, time } from "./controls.js";
import { Note, stream } from "./service.js";

strings({
  en: {
    "runs.pane.tokens": "Tokens", "runs.tokens.name": "Sequences of tokens at a time",
    "runs.tokens.about": "Noise ($t=0$) becomes data ($t=1$): each token jumps on its own.",
    "runs.tokens.count": "Sequences", "runs.tokens.steps": "Steps", "runs.tokens.temperature": "Temperature",
    "runs.tokens.mask": "a mask: nothing is known yet", "runs.tokens.passing": "noise that will change",
    "runs.tokens.fresh": "has just come",
  },
  zh: {
    "runs.pane.tokens": "词元", "runs.tokens.name": "某一时刻的词元序列",
    "runs.tokens.about": "噪声（$t=0$）变成数据（$t=1$）：每个词元各自跳变。",
    "runs.tokens.count": "序列数", "runs.tokens.steps": "步数", "runs.tokens.temperature": "温度",
    "runs.tokens.mask": "掩码：尚未确定", "runs.tokens.passing": "还会改变的噪声",
    "runs.tokens.fresh": "刚刚出现",
  },
});

export const name = "tokens";

/** Sequences of tokens. */
export const fits = ({ model }) => !model.untrained && Boolean(model.tokens);

const times = Array.from({ length: 51 }, (_, k) => k / 50);

/**
 * glyphs returns the sign of a level, or of the mask behind the levels: token j of a row of an answer. Pieces of words
 * are those of a vocabulary, and cells of a table are those of the row.
 */
function glyphs({ kind, levels, chars }, vocabulary) {
  if (kind === "categories") return (v, j, row) => `${row[j]} `;
  if (kind === "integers") return (v) => `${v === levels ? "▁" : v} `;
  const sign = (c) => ({ "\n": "¶", "\t": "⇥" })[c] ?? (/[\p{C}\uFFFD]/u.test(c) ? "·" : c);
  const all = kind === "chars" ? [...chars].map(sign)
    : vocabulary ? vocabulary.map((piece) => [...piece].map(sign).join(""))
    : Array.from({ length: levels }, (_, b) => (b < 128 ? sign(String.fromCharCode(b)) : "·"));
  return (v) => all[v] ?? "▁";
}

/** sequence is the element of a sequence, of which tokens are what their class says. */
function sequence(now, before, last, { levels, sign }) {
  const runs = [];
  now.forEach((v, j) => {
    const kind = v === levels ? "masked" : v !== last[j] ? "passing" : v !== before[j] ? "fresh" : "";
    const text = sign(v, j);
    if (runs.at(-1)?.kind === kind) runs.at(-1).text += text;
    else runs.push({ kind, text });
  });
  return h("p", { class: "sequence" }, runs.map(({ kind, text }) => (kind ? h("span", { class: kind }, text) : text)));
}

/** key says what the marks mean. */
const key = (kinds) => h("ul", { class: "sequence-key" }, kinds.map((k) => h("li", {},
  h("span", { class: `sequence ${k.at}`, "aria-hidden": "true" }, k.sign), say(h("span"), k.key))));

/** open shows sequences; it returns what ends its work. */
export function open(place, { model, run }) {
  const note = new Note();
  const { levels } = model.tokens;
  const sign = glyphs(model.tokens, run.vocabulary);
  const again = () => restart();
  const usual = Number(/^\s+steps: (\d+)/m.exec(run.settings.split("\neval:")[1] ?? "")?.[1] ?? 64);
  const count = slider({ key: "runs.tokens.count", min: 1, max: 12, step: 1, value: 4, on: again });
  const steps = slider({ key: "runs.tokens.steps", min: 2, max: Math.max(128, usual), step: 1, value: usual,
    on: again });
  const heat = slider({ key: "runs.tokens.temperature", min: 0.1, max: 2, step: 0.1, value: 1, on: again,
    format: (v) => v.toFixed(1) });
  const number = seed(again);
  const conditions = new Conditions({ model, run }, again);
  const clock = time(() => draw(), { value: 1, play: 5 });
  const texts = h("div", { class: "sequences", role: "group" });
  label(texts, "runs.tokens.name");
  let states = [];

  function draw() {
    if (states.length === 0) return;
    let k = states.findLastIndex((s) => s.t <= clock.value + 1e-9);
    k = Math.max(0, k);
    const [now, before, last] = [states[k].x, states[Math.max(0, k - 1)].x, states.at(-1).x];
    texts.replaceChildren(...now.map((row, i) => sequence(row, before[i], last[i],
      { levels, sign: (v, j) => sign(v, j, states[k].rows[i]) })));
  }

  const restart = note.task(async (signal) => {
    clock.stop();
    const body = { n: count.value, seed: number.value, steps: steps.value, times,
      ...conditions.of() };
    if (heat.value !== 1) body.temperature = heat.value;
    const next = [];
    await stream(model.name, body, (t, _, state) => next.push({ t, x: state.tokens, rows: state.x }),
      { signal, waiting: note.waiting });
    states = next;
    draw();
  }, { shows: [texts] });

  const masks = model.tokens.source === "mask";
  place.append(h("div", { class: "columns" },
    h("div", { class: "card" }, say(h("p", { class: "muted" }), "runs.tokens.about"), note.el, texts,
      h("div", { class: "under full" }, clock.el),
      key([masks && { at: "masked", sign: "▁", key: "runs.tokens.mask" },
        !masks && { at: "passing", sign: "a", key: "runs.tokens.passing" },
        { at: "fresh", sign: "a", key: "runs.tokens.fresh" }].filter(Boolean))),
    h("div", { class: "card side" }, count.el, conditions.parts, steps.el, heat.el, number.el)));
  restart();
  return () => {
    clock.stop();
    restart.stop();
  };
}
