// The lecture.
import { say, strings } from "../ui/lang.js";
import { h } from "../ui/dom.js";
import { shell } from "../ui/shell.js";

strings({ en: { "lecture.title": "Flow Matching" }, zh: { "lecture.title": "流匹配" } });
shell("lecture");
document.getElementById("content").append(say(h("h1"), "lecture.title"));
