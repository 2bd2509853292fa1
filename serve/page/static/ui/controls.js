// Controls: each has an element `el` with its own label, and a value that a page may set. They use the
// browser's own inputs, so keyboards and screen readers know them.
import { h, icon, uid } from "./dom.js";
import { label, say, strings } from "./lang.js";
import { redrawn } from "./redraw.js";

strings({
  en: { "ui.play": "Play", "ui.pause": "Pause" },
  zh: { "ui.play": "播放", "ui.pause": "暂停" },
});

/**
 * slider chooses a number. `key` is its label, `format` writes the value, `on(value)` hears of it. With
 * `play`, a button moves it from end to end in so many seconds.
 */
export function slider({ key, min, max, step, value, format = String, on, play = 0 }) {
  const input = h("input", { type: "range", id: uid("slider"), min, max, step });
  const out = h("span", { class: "value", "aria-hidden": "true" }); // readers hear it from the slider
  const name = say(h("label", { for: input.id }), key);
  const show = () => {
    out.textContent = format(Number(input.value));
    input.setAttribute("aria-valuetext", out.textContent);
    const share = (Number(input.value) - min) / (max - min);
    input.style.setProperty("--share", `${100 * share}%`);
  };
  input.value = value;
  show();
  redrawn(out, show);
  const it = {
    el: null,
    input,
    get value() { return Number(input.value); },
    set value(v) {
      input.value = v;
      show();
    },
  };
  input.addEventListener("input", () => {
    player?.stop();
    show();
    on?.(it.value);
  });
  const player = play ? playing(it, { min, max, play, on }) : null;
  it.stop = () => player?.stop();
  it.el = h("div", { class: player ? "control slider with-play" : "control slider" },
    name, out, player?.button, input);
  return it;
}

/** playing is the button that moves a slider. */
function playing(it, { min, max, play, on }) {
  const show = icon("M6 4l10 6-10 6z");
  const pause = icon("M5 4h3.500v12H5zM11.500 4H15v12h-3.500z");
  const button = h("button", { type: "button", class: "round" }, show);
  label(button, "ui.play");
  let frame = 0;
  const stop = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    button.replaceChildren(show);
    label(button, "ui.play");
  };
  button.addEventListener("click", () => {
    if (frame) {
      stop();
      return;
    }
    button.replaceChildren(pause);
    label(button, "ui.pause");
    const from = it.value >= max ? min : it.value;
    let start = null;
    const tick = (now) => {
      start ??= now;
      const to = Math.min(max, from + ((max - min) * (now - start)) / (1000 * play));
      it.value = to;
      on?.(it.value);
      if (to >= max) stop();
      else frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
  });
  return { button, stop };
}

/** choice chooses one of a few: options are {value, key} or {value, text}. */
export function choice({ key, options, value, on }) {
  const name = uid("choice");
  const radios = options.map((o) => {
    const input = h("input", { type: "radio", name, value: o.value, id: uid("radio") });
    input.checked = o.value === value;
    const words = h("label", { for: input.id });
    if (o.key) say(words, o.key);
    else words.textContent = o.text;
    return [input, words];
  });
  const el = h("fieldset", { class: "control choice" }, say(h("legend"), key), h("div", { class: "segments" }, radios));
  const it = {
    el,
    get value() { return radios.find(([r]) => r.checked)[0].value; },
    set value(v) { for (const [r] of radios) r.checked = r.value === v; },
  };
  el.addEventListener("change", () => on?.(it.value));
  return it;
}

/** select chooses one of many from a list that folds out. */
export function select({ key, options, value, on }) {
  const input = h("select", { id: uid("select") }, options.map((o) => {
    const option = h("option", { value: o.value });
    if (o.key) say(option, o.key);
    else option.textContent = o.text;
    option.selected = o.value === value;
    return option;
  }));
  input.addEventListener("change", () => on?.(input.value));
  return {
    el: h("div", { class: "control select" }, say(h("label", { for: input.id }), key), input),
    get value() { return input.value; },
    set value(v) { input.value = v; },
  };
}

/** toggle is a switch between off and on. */
export function toggle({ key, value = false, on }) {
  const input = h("input", { type: "checkbox", id: uid("toggle"), role: "switch" });
  input.checked = value;
  input.addEventListener("change", () => on?.(input.checked));
  return {
    el: h("div", { class: "control toggle" }, input, say(h("label", { for: input.id }), key)),
    get value() { return input.checked; },
    set value(v) { input.checked = v; },
  };
}

/** button does something. */
export function button({ key, on, primary = false }) {
  return say(h("button", { type: "button", class: primary ? "primary" : null, on: { click: on } }), key);
}
