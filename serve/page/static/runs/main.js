// The page of runs: what is served.
import { getJSON } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";
import { shell } from "../ui/shell.js";

strings({
  en: {
    "runs.title": "Models that are served", "runs.step": "step {step}", "runs.weights": "{n} weights",
    "runs.dim": "{n} dimensions",
  },
  zh: {
    "runs.title": "正在提供服务的模型", "runs.step": "第 {step} 步", "runs.weights": "{n} 个权重", "runs.dim": "{n} 维",
  },
});

const content = document.getElementById("content");
const list = h("div", { class: "grid" });
shell("runs");
content.append(say(h("h1"), "runs.title"), list);
try {
  for (const m of await getJSON("/v1/models")) {
    list.append(h("article", { class: "card" },
      h("h2", {}, m.name),
      say(h("p", { class: "muted" }), "runs.step", { step: m.step }),
      say(h("p", { class: "muted" }), "runs.dim", { n: m.dim }),
      say(h("p", { class: "muted" }), "runs.weights", { n: m.weights })));
  }
} catch (e) {
  list.append(h("p", { class: "notice error" }, e.message));
}
