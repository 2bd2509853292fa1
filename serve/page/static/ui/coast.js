// The coastlines of the Earth, which maps have.

let asked = null;

/** coast returns the promise of the lines, each flat: [longitude, latitude, longitude, …] in degrees. */
export function coast() {
  asked ??= fetch("/static/coastline.bin").then((r) => (r.ok ? r.arrayBuffer() : new ArrayBuffer(0))).then(read)
    .catch(() => []); // a map is one without them
  return asked;
}

/** read reads the file: for each line the number of its points, and these in hundredths of a degree. */
function read(file) {
  const words = new DataView(file);
  const lines = [];
  for (let at = 0; at < file.byteLength;) {
    const n = words.getUint16(at, true);
    lines.push(Array.from({ length: 2 * n }, (_, k) => words.getInt16(at + 2 + 2 * k, true) / 100));
    at += 2 + 4 * n;
  }
  return lines;
}
