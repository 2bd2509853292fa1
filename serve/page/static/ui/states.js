// States between the times at which they are known.

/**
 * between returns the state at time t on the line between its neighbours: state(k) is that at times[k], of which
 * the first `count` are known. Beyond the ends it is the first or the last; without any it is empty. The way of
 * number i from a to b is way(b - a, i), where that is not the difference itself.
 */
export function between(times, count, state, t, way = (d) => d) {
  if (count === 0) return [];
  let k = times.findIndex((s) => s >= t);
  if (k < 0 || k >= count) k = count - 1;
  if (k === 0) return state(0);
  const share = Math.min(1, Math.max(0, (t - times[k - 1]) / (times[k] - times[k - 1])));
  const [a, b] = [state(k - 1), state(k)];
  return a.map((v, i) => v + share * way(b[i] - v, i));
}
