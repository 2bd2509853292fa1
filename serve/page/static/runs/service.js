// What the service is asked for, and how a pane waits for it.
import { ApiError, call, getJSON, said } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { Said, say, strings } from "../ui/lang.js";

strings({
  en: { "runs.busy": "Computing …", "runs.waiting": "The service is busy: it is asked again in {s} s.",
    "runs.cut": "The answer of the service broke off.", },
  zh: { "runs.busy": "正在计算……", "runs.waiting": "服务繁忙：{s} 秒后重新请求。",
    "runs.cut": "服务的答复中途断开。", },
});

/** path is where a model is asked for something. */
export const path = (model, what) => `/v1/models/${encodeURIComponent(model)}/${what}`;

/** sleep waits so many seconds, or until the signal aborts. */
export const sleep = (seconds, signal) => new Promise((done, fail) => {
  const timer = setTimeout(done, 1000 * seconds);
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    fail(new DOMException("superseded", "AbortError"));
  }, { once: true });
});

/**
 * patiently sends a request again while the service has no room for it, as its Retry-After says. waiting hears of the
 * seconds, and null when they are over and it was answered, or dropped.
 */
async function patiently(send, signal, waiting) {
  let waited = false;
  try {
    for (let tries = 1; ; tries++) {
      try {
        return await send();
      } catch (e) {
        if (e.status !== 429 || tries >= 8) throw e;
        const s = Math.min(30, Number(e.after) || 1);
        waited = true;
        waiting?.(s);
        await sleep(s, signal);
      }
    }
  } finally {
    if (waited) waiting?.(null);
  }
}

/** get asks for what a path has. */
export const get = (url, query, signal) => patiently(() => getJSON(url, query, { signal }), signal);

/** post asks a model for something, as JSON or as a file of another type, whose response is returned. */
export function post(model, what, body, { signal, accept = "application/json", waiting } = {}) {
  const headers = { "Content-Type": "application/json", Accept: accept };
  const options = { method: "POST", headers, body: JSON.stringify(body), signal };
  return patiently(async () => {
    const response = await call(path(model, what), options);
    return accept === "application/json" ? response.json() : response;
  }, signal, waiting);
}

/** events calls each(name, data) with the server-sent events of a response until it returns true. */
async function events(response, each) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read().catch((e) => {
      throw e.name === "AbortError" ? e : new Said("runs.cut");
    });
    if (done) return false;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const name = lines.find((l) => l.startsWith("event: "))?.slice(7);
      const data = JSON.parse(lines.filter((l) => l.startsWith("data: ")).map((l) => l.slice(6)).join("\n"));
      if (name === "error") throw new ApiError(0, data.detail);
      if (each(name, data)) {
        reader.cancel().catch(() => {});
        return true;
      }
    }
  }
}

/** stream asks for samples on their way: state(t, x) is called for each time, and the samples are returned. */
export async function stream(model, body, state, { signal, waiting } = {}) {
  const response = await post(model, "stream", body, { signal, waiting, accept: "text/event-stream" });
  let samples = null;
  await events(response, (name, data) => {
    if (name === "state") state(data.t, data.x, data);
    else samples = data;
    return name === "samples";
  });
  if (!samples) throw new Said("runs.cut");
  return samples;
}

/** lasting tells errors that are answers, which will be the same again, from those of a service that is away. */
const lasting = (e) => e.name === "AbortError" || (e.status >= 400 && e.status < 500 && e.status !== 429);

/**
 * follow calls each(metrics) with the metrics of a training as they are written, until the training is over or
 * the signal aborts. A connection that ends is made again, for as long as it takes: trouble(error) hears what is
 * wrong with it, and trouble(null) that it is well again.
 */
export async function follow(model, each, signal, trouble) {
  for (let after = 0, last = false, failed = 0; !last;) {
    try {
      const response = await patiently(() => call(`${path(model, "metrics/stream")}?after=${after}`, { signal }),
        signal);
      await events(response, (name, data) => {
        if (name === "end") {
          last = !data.training;
          return true;
        }
        if (failed > 0) trouble?.(null);
        failed = 0;
        after = data.metrics.at(-1)?.step ?? after;
        each(data);
        return false;
      });
    } catch (e) {
      if (lasting(e)) throw e;
      if (++failed > 1) trouble?.(e); // one may be the end of a connection
    }
    if (!last) await sleep(Math.min(10, Math.max(1, 2 ** (failed - 1))), signal);
  }
}

/**
 * Note is the line of a pane that says that something is computed, or what is wrong. task(fn) returns a function
 * that runs fn(signal, ...args): what is superseded is aborted, and errors are said in words. One that is quiet
 * goes on for long, and says only errors. The elements of `shows` are what it makes: after an error they are dim, for
 * what they show is not what was asked for.
 */
export class Note {
  constructor() {
    this.el = h("div", { class: "status", "aria-live": "polite" });
    this.under = 0;
    this.el.dataset.busy = 0;
    this.el.dataset.done = 0;
  }

  /** begin and end count what is under way, and what is done, for those who wait for it. */
  begin() { this.el.dataset.busy = ++this.under; }

  end() {
    this.el.dataset.busy = --this.under;
    this.el.dataset.done = Number(this.el.dataset.done) + 1;
  }

  task(fn, { quiet = false, shows = [] } = {}) {
    let running = null;
    const stale = (is) => shows.forEach((el) => el.classList.toggle("stale", is));
    const run = async (...args) => {
      running?.abort();
      const mine = new AbortController();
      running = mine;
      this.begin();
      const slow = setTimeout(() => quiet || this.busy("runs.busy"), 250);
      try {
        await fn(mine.signal, ...args);
        if (running === mine) {
          this.clear();
          stale(false);
        }
      } catch (e) {
        if (running === mine && e.name === "AbortError") this.clear();
        else if (running === mine) {
          this.fail(e);
          stale(true);
        }
      } finally {
        clearTimeout(slow);
        if (running === mine) running = null;
        this.end();
      }
    };
    run.stop = () => running?.abort();
    return run;
  }

  busy(key, holes) { this.el.replaceChildren(say(h("p", { class: "muted" }), key, holes)); }

  /** waiting says that the service is busy; null takes that back. */
  waiting = (s) => {
    if (s !== null) this.busy("runs.waiting", { s });
    else if (this.el.querySelector("[data-t='runs.waiting']")) this.clear();
  };

  clear() { this.el.replaceChildren(); }

  fail(e) { this.el.replaceChildren(said(e)); }
}
