// Requests to the service, and the token that it may ask for.
import { h, uid } from "./dom.js";
import { Said, say, strings, t } from "./lang.js";

strings({
  en: {
    "api.token": "This service asks for a token",
    "api.token.why": "It is in the file that the service was started with. This tab keeps it until it is closed.",
    "api.token.field": "Token",
    "api.token.wrong": "The service does not know this token.",
    "api.token.letters": "A token has only letters, digits and signs of ASCII, and no spaces.",
    "api.token.ok": "Continue",
    "api.down": "The service does not answer. Is it still running?", "api.says": "{text}", "api.warns": "{text}",
    "api.fault": "Something on this page went wrong: {text}",
  },
  zh: {
    "api.token": "此服务需要令牌",
    "api.token.why": "令牌在启动服务时所用的文件里。本标签页会保留它，直到关闭为止。",
    "api.token.field": "令牌",
    "api.token.wrong": "服务不认识这个令牌。",
    "api.token.letters": "令牌只含 ASCII 字母、数字和符号，不含空格。",
    "api.token.ok": "继续",
    "api.down": "服务没有响应。它还在运行吗？", "api.says": "服务答复（英文）：{text}",
    "api.warns": "服务提示（英文）：{text}", "api.fault": "页面出错：{text}",
  },
});

const key = "flowmatch.token";
const sendable = (value) => /^[!-~]+$/.test(value); // what a header may have
let token = null; // the one that is sent
try { token = sessionStorage.getItem(key); } catch { /* a browser that keeps nothing */ }
if (token !== null && !sendable(token)) token = null;

/** keep keeps a token that the service has taken for as long as the tab is open; null: it forgets it. */
function keep(value) {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch { /* it is asked for again in the next page */ }
}

let asking = null;

/** ask shows a dialog for the token; many requests share one. */
function ask(again) {
  asking ??= new Promise((done) => {
    const field = h("input", { type: "password", id: uid("token"), autocomplete: "off", required: true });
    const dialog = h("dialog", { class: "dialog" },
      h("form", { method: "dialog" },
        say(h("h2"), "api.token"),
        say(h("p"), again ? "api.token.wrong" : "api.token.why"),
        say(h("label", { for: field.id }), "api.token.field"), field,
        say(h("button", { class: "primary" }), "api.token.ok")));
    field.addEventListener("input", () => {
      const value = field.value.trim();
      field.setCustomValidity(value === "" || sendable(value) ? "" : t("api.token.letters"));
    });
    dialog.addEventListener("cancel", (e) => e.preventDefault());
    dialog.addEventListener("close", () => {
      token = field.value.trim() || null;
      dialog.remove();
      asking = null;
      done();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

/** ApiError is an answer that says what is wrong; `after` is its Retry-After. */
export class ApiError extends Error {
  constructor(status, message, after = null) {
    super(message);
    this.status = status;
    this.after = after;
  }
}

/**
 * said is an element that says what is wrong. The page does so in its language; the service speaks English, and in
 * Chinese a lead says that.
 */
export function said(e) {
  const el = h("p", { class: "notice error", role: "alert" });
  if (e instanceof Said) return say(el, e.key, e.holes);
  return say(el, e instanceof ApiError ? "api.says" : "api.fault", { text: e.message });
}

/** warned are elements of what the service warns of in an answer. */
export const warned = (answer) => (answer.warnings ?? []).map((text) =>
  say(h("p", { class: "notice" }), "api.warns", { text }));

/** detail is what the body of an error says. */
async function detail(response) {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    const more = (body.errors ?? []).map((e) => [e.location, e.message].filter(Boolean).join(": "));
    return [body.detail ?? body.title, ...more].filter(Boolean).join("; ");
  } catch {
    return text.trim() || `${response.status} ${response.statusText}`;
  }
}

/** call sends a request with the token, and asks for the token if that is needed. Errors are ApiErrors. */
export async function call(url, options = {}) {
  for (let again = false; ; again = true) {
    const headers = new Headers(options.headers);
    const sent = token;
    if (sent) headers.set("Authorization", `Bearer ${sent}`);
    let response;
    try {
      response = await fetch(url, { ...options, headers, credentials: "same-origin" });
    } catch (e) {
      if (e.name === "AbortError") throw e;
      throw new Said("api.down");
    }
    if (response.status === 401) {
      if (token === sent) {
        keep(null);
        await ask(again || sent !== null);
      }
      continue;
    }
    if (sent && sent === token) keep(sent);
    if (!response.ok) throw new ApiError(response.status, await detail(response), response.headers.get("Retry-After"));
    return response;
  }
}

/** getJSON asks for JSON; query are the parameters. */
export async function getJSON(path, query = {}, options = {}) {
  const q = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== null && v !== undefined));
  return (await call(q.size ? `${path}?${q}` : path, options)).json();
}

/**
 * latest returns a function that runs fn(signal, ...args) with the arguments of the last of its calls, a
 * moment later. What is superseded is aborted, but only once it took `patience` milliseconds: so a slider
 * that moves shows states on its way. idle() is called when nothing is left to do.
 */
export function latest(fn, { wait = 15, patience = 400, idle = null } = {}) {
  let next = null;
  let timer = null;
  let running = null;
  const run = async (args) => {
    const mine = { abort: new AbortController(), since: performance.now() };
    running = mine;
    try {
      await fn(mine.abort.signal, ...args);
    } catch (e) {
      if (e.name !== "AbortError") console.error(e);
    } finally {
      if (running === mine) running = null;
      if (!running && !timer) idle?.();
    }
  };
  const attempt = () => {
    timer = null;
    if (running && performance.now() - running.since < patience) {
      timer = setTimeout(attempt, wait);
      return;
    }
    running?.abort.abort();
    const args = next;
    next = null;
    run(args);
  };
  return (...args) => {
    next = args;
    timer ??= setTimeout(attempt, wait);
  };
}
