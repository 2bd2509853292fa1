// Controls that several panes have.
import { button, choice, slider } from "../ui/controls.js";
import { fixed } from "../ui/dom.js";

export const laws = (on, value = "moons") => choice({
  key: "law", value, on, options: ["moons", "ring", "two"].map((v) => ({ value: v, key: `law.${v}` })),
});

export const paths = (on, names = ["ot", "vp", "ve"]) => choice({
  key: "path", value: "ot", on, options: names.map((v) => ({ value: v, key: `path.${v}` })),
});

export const time = (on, value = 0.5, play = 5) => slider({
  key: "time", min: 0, max: 1, step: 0.005, value, play, on, format: (v) => fixed(v),
});

/** draw is a button for other random numbers: seed() is the present one. */
export function draw(on, first = 1) {
  let seed = first;
  return { el: button({ key: "seed", on: () => { seed++; on(); } }), seed: () => seed };
}
