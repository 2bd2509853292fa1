// The lecture: eight panes, in its order.
import "./texts.js";
import { h } from "../ui/dom.js";
import { label, onLang, say, t } from "../ui/lang.js";
import { shell } from "../ui/shell.js";
import { density } from "./density.js";
import { diffusion } from "./diffusion.js";
import { fields } from "./fields.js";
import { gaussian } from "./gaussian.js";
import { marginal } from "./marginal.js";
import { objective } from "./objective.js";
import { ode } from "./ode.js";
import { section } from "./pane.js";
import { transport } from "./transport.js";

const panes = [ode, density, marginal, fields, objective, gaussian, diffusion, transport];

shell("lecture");
const title = () => (document.title = t("lecture.title"));
onLang(title);
title();

const links = panes.map((p, k) =>
  h("a", { href: `#${p.id}` }, h("b", {}, String(k + 1)), say(h("span"), `${p.id}.short`)));
const sections = panes.map((p, k) => section(p, k + 1));
document.getElementById("content").append(
  h("div", { class: "lecture" },
    h("header", {}, say(h("h1"), "lecture.title"), say(h("p"), "lecture.about")),
    label(h("nav", { class: "contents" }, h("ol", {}, links.map((a) => h("li", {}, a)))), "lecture.contents"),
    h("div", { class: "panes" }, sections)));

// The pane that is read now is marked.
const still = matchMedia("(prefers-reduced-motion: reduce)");
const mark = () => {
  const line = 0.35 * innerHeight;
  let now = sections.findLastIndex((s) => s.getBoundingClientRect().top < line);
  if (now < 0) now = 0;
  links.forEach((a, k) => {
    if (k !== now) a.removeAttribute("aria-current");
    else if (!a.hasAttribute("aria-current")) {
      a.setAttribute("aria-current", "true");
      const list = a.closest("ol");
      list.scrollTo({ left: a.offsetLeft - (list.clientWidth - a.offsetWidth) / 2,
        behavior: still.matches ? "auto" : "smooth" });
    }
  });
};
addEventListener("scroll", mark, { passive: true });
mark();

// The panes above the one that is gone to grow while their pictures are made: it is kept in its place until the
// reader moves.
let kept = null;
const keep = () => kept?.scrollIntoView({ behavior: "instant" });
const goTo = (hash) => {
  kept = sections.find((s) => `#${s.id}` === hash) ?? null;
  keep();
};
for (const a of links) a.addEventListener("click", () => goTo(a.hash)); // once more to the same is no other hash
addEventListener("hashchange", () => goTo(location.hash));
for (const moved of ["wheel", "touchmove", "pointerdown", "keydown"]) {
  addEventListener(moved, () => (kept = null), { passive: true, capture: true });
}
new ResizeObserver(keep).observe(document.querySelector(".panes"));
goTo(location.hash);
