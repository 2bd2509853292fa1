// A file of the reader. The browser's own button would speak the language of the browser.
import { h, uid } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";

strings({
  en: { "runs.file": "Choose your image" },
  zh: { "runs.file": "选择你的图像" },
});

/** chooser is a button by which a reader chooses an image, which load(file) hears of. */
export function chooser(load) {
  const file = h("input", { type: "file", accept: "image/*", id: uid("file") });
  const chosen = h("span", { class: "name" });
  file.addEventListener("change", () => {
    chosen.textContent = file.files[0]?.name ?? "";
    if (file.files[0]) load(file.files[0]);
  });
  return h("div", { class: "control file" }, file, say(h("label", { for: file.id }), "runs.file"), chosen);
}
