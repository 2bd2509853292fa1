// Tables as text: a line of names, and rows with fields between commas, semicolons or tabs, some in quotes.

/** parse returns {names, rows}, fields as texts. */
export function parse(text) {
  const first = text.split(/\r?\n/, 1)[0];
  const count = (c) => first.split(c).length;
  const comma = [",", ";", "\t"].sort((a, b) => count(b) - count(a))[0];
  const lines = [[]];
  let value = "";
  let quoted = false;
  for (let k = 0; k < text.length; k++) {
    const c = text[k];
    if (quoted) {
      if (c === '"' && text[k + 1] === '"') value += text[++k];
      else if (c === '"') quoted = false;
      else value += c;
    } else if (c === '"' && value === "") quoted = true;
    else if (c === comma || c === "\n") {
      lines.at(-1).push(value.replace(/\r$/, ""));
      value = "";
      if (c === "\n") lines.push([]);
    } else value += c;
  }
  lines.at(-1).push(value.replace(/\r$/, ""));
  const [names, ...rows] = lines.filter((l) => l.length > 1 || l[0].trim() !== "");
  return { names: (names ?? []).map((n) => n.trim()), rows };
}

const quoted = (v) => (/[",\n;]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v);

/** line returns a row as text, null as nothing. */
export const line = (row) => row.map((v) => quoted(v === null || v === undefined ? "" : String(v))).join(",");

/** write returns rows as text, null as nothing. */
export const write = (names, rows) => [names, ...rows].map(line).join("\n");
