// What the panes have in common: their words and equations, their requests, and states between times.
import { getJSON, latest, said } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { say } from "../ui/lang.js";
import { between } from "../ui/states.js";
import { math } from "../ui/tex.js";

/**
 * section returns the frame of a pane. Its texts are ID.title, ID.text and ID.try; `equations` are
 * [tex, tag]; figure(host) fills the figure when the pane comes near.
 */
export function section({ id, equations, figure, wide = false }, count) {
  const host = h("div", { class: "figure" });
  const el = h("section", { class: wide ? "card pane wide" : "card pane", id, "aria-labelledby": `${id}-title` },
    h("div", { class: "words" },
      h("h2", { id: `${id}-title` }, h("span", { class: "count", "aria-hidden": "true" }, String(count)),
        say(h("span"), `${id}.title`)),
      say(h("p"), `${id}.text`),
      h("div", { class: "equations" }, equations.map(([tex, tag]) =>
        fitted(h("div", { class: "equation", tabindex: 0, role: "group" }, math(tex, true),
          tag ? h("span", { class: "tag" }, `(${tag})`) : null)))),
      say(h("p", { class: "hint" }), `${id}.try`)),
    host);
  const near = new IntersectionObserver((entries) => {
    if (!entries.some((e) => e.isIntersecting)) return;
    near.disconnect();
    figure(host);
  }, { rootMargin: "500px" });
  near.observe(el);
  return el;
}

const least = 0.7; // of the usual size, which can still be read

/** fitted makes an equation smaller where it is wider than its place, as on a phone; beyond that it scrolls. */
function fitted(el) {
  const written = el.querySelector("math");
  let width = 0;
  new ResizeObserver(() => {
    if (el.clientWidth === width) return;
    width = el.clientWidth;
    written.style.fontSize = "";
    if (el.scrollWidth <= width) return;
    const usual = parseFloat(getComputedStyle(written).fontSize);
    const spare = el.scrollWidth - written.getBoundingClientRect().width; // the sides and the number
    const share = (width - spare) / (el.scrollWidth - spare);
    written.style.fontSize = `${usual * Math.max(least, share * 0.98)}px`;
  }).observe(el);
  return el;
}

/**
 * asker returns a function that asks the service for a pane and hands the answer to show. What goes wrong
 * stands in the figure. data-shown counts the answers that were shown, and data-busy has the names of those
 * that are waited for; without any it is not there.
 */
export function asker(host, name, show) {
  const busy = (is) => {
    const others = (host.dataset.busy ?? "").split(" ").filter((n) => n && n !== name);
    const all = is ? [...others, name] : others;
    if (all.length > 0) host.dataset.busy = all.join(" ");
    else delete host.dataset.busy;
  };
  const notice = h("div", { role: "status", hidden: true });
  host.append(notice);
  const request = latest(async (signal, query) => {
    let answer;
    try {
      answer = await getJSON(`/lecture/api/${name}`, query, { signal });
    } catch (e) {
      if (e.name === "AbortError") throw e;
      notice.replaceChildren(said(e));
      notice.hidden = false;
      return;
    }
    notice.hidden = true;
    show(answer, query);
    host.dataset.shown = Number(host.dataset.shown ?? 0) + 1;
  }, { idle: () => busy(false) });
  return (query) => {
    busy(true);
    request(query);
  };
}

/** density is the layer of a picture of the service. */
export function density(p) {
  return { kind: "density", w: p.w, h: p.h, box: p.box, max: 255,
    values: Uint8Array.from(atob(p.values), (c) => c.charCodeAt(0)) };
}

/** at returns the state at time t, between those of `times`, each of `size` numbers. */
export const at = (times, states, size, t) =>
  between(times, times.length, (k) => states.slice(k * size, (k + 1) * size), t);

/** ways returns a path for each of n points up to time t. */
export function ways(times, states, n, t = Infinity) {
  const paths = Array.from({ length: n }, () => []);
  for (let k = 0; k < times.length && times[k] <= t; k++) {
    for (let i = 0; i < n; i++) paths[i].push(states[2 * (k * n + i)], states[2 * (k * n + i) + 1]);
  }
  if (t < times[times.length - 1]) {
    const end = at(times, states, 2 * n, t);
    paths.forEach((p, i) => p.push(end[2 * i], end[2 * i + 1]));
  }
  return paths;
}

/** readout is a list of numbers with names: rows are {key, same}, and set([texts]) fills them in. */
export function readout(rows) {
  const values = rows.map(() => h("dd"));
  return {
    el: h("dl", { class: "readout" }, rows.map((r, k) =>
      h("div", { class: r.same ? "same" : null }, say(h("dt"), r.key), values[k]))),
    set(texts) { texts.forEach((text, k) => (values[k].textContent = text)); },
  };
}
