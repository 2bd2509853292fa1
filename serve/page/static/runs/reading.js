// The line below the picture of a flow: the log-density at a point, or why there is none.
import { latest } from "../ui/api.js";
import { h, number } from "../ui/dom.js";
import { say, strings } from "../ui/lang.js";

strings({
  en: {
    "runs.flow.here": "At {x}, {y} and time {t}: $\\log p_t(x)$ = {logp}",
    "runs.flow.point": "Point at the picture, or move a mark with the arrow keys, to read the log-density there.",
    "runs.flow.guided": "Guided samples have no density, so none is shown.",
    "runs.flow.many": "Choose one class to see its field and density.",
    "runs.flow.nodensity": "This run has no density: {why}",
    "runs.flow.plane": "Field and density are shown of flows with two columns; of the {n} of this one, two are shown.",
    "runs.flow.nomap": "On this space the field alone is shown, and no density.",
    "runs.flow.space": "Field and density are not shown on this space.",
  },
  zh: {
    "runs.flow.here": "在 {x}, {y}，时间 {t}：$\\log p_t(x)$ = {logp}",
    "runs.flow.point": "指向图中一点，或用方向键移动标记，即可读出该处的对数密度。",
    "runs.flow.guided": "引导后的样本没有密度，因此不显示。",
    "runs.flow.many": "请选择一个类别以查看其速度场与密度。",
    "runs.flow.nodensity": "此模型没有密度（英文说明）：{why}",
    "runs.flow.plane": "只有两列的流才显示速度场与密度；此流有 {n} 列，这里显示其中两列。",
    "runs.flow.nomap": "此空间上只显示速度场，不显示密度。",
    "runs.flow.space": "此空间上不显示速度场与密度。",
  },
});

/** Reading reads the log-density of a pane of a flow at its time. */
export class Reading {
  constructor(flow) {
    this.flow = flow;
    this.line = h("p", { class: "reading" });
    this.hint = h("p", { class: "muted small" });
    this.parts = [this.line, this.hint];
    this.turn = 0; // what was asked for in another turn is of other conditions
    this.ask = latest((signal, x, y) => this.answer(signal, x, y));
    this.forget();
  }

  /** read asks for a point. A time that plays would be read aloud without end. */
  read(x, y, { aloud = true } = {}) {
    this.line.setAttribute("aria-live", aloud ? "polite" : "off");
    this.ask(x, y);
  }

  /** forget takes back what was read, and says what can be. */
  forget() {
    this.turn++;
    delete this.line.dataset.t;
    this.line.replaceChildren();
    this.hint.hidden = false;
    say(this.hint, this.why(), { n: this.flow.model.columns.length, why: this.flow.model.no_density });
  }

  /** why is the key of what can be read, or of why nothing can. */
  why() {
    const { model, flat, dense, marginals, conditions } = this.flow;
    if (!flat) return model.columns.length === 2 ? "runs.flow.space" : "runs.flow.plane";
    if (marginals.classes() === null) return "runs.flow.many";
    if (model.no_density) return "runs.flow.nodensity";
    if (!dense) return "runs.flow.nomap";
    return conditions.guided !== null ? "runs.flow.guided" : "runs.flow.point";
  }

  async answer(signal, x, y) {
    if (this.why() !== "runs.flow.point") return;
    const { marginals, clock, note, space } = this.flow;
    const [now, mine] = [clock.value, this.turn];
    try {
      const row = space.row([x, y]);
      const options = { signal, waiting: note.waiting };
      const [v] = space.map.inside(row) ? await marginals.logp([row], now, {}, options) : [-Infinity];
      if (mine !== this.turn) return;
      say(this.line, "runs.flow.here", { x: number(x), y: number(y), t: now.toFixed(2), logp: number(v, 4) });
      this.hint.hidden = true;
    } catch (e) {
      if (e.name !== "AbortError" && mine === this.turn) note.fail(e);
    }
  }
}
