// Scales of a chart: from values to pixels, and the round values at which lines of the grid are drawn.

/** @typedef {(value: number) => number} Scale */

/**
 * @param {number} low
 * @param {number} high
 * @param {number} from pixel of `low`
 * @param {number} to pixel of `high`
 * @returns {Scale}
 */
export function linearScale(low, high, from, to) {
  return (value) => from + ((value - low) / (high - low || 1)) * (to - from);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} from
 * @param {number} to
 * @returns {Scale}
 */
export function logScale(low, high, from, to) {
  const linear = linearScale(Math.log(low), Math.log(high), from, to);
  return (value) => linear(Math.log(value));
}

/**
 * The lowest and the highest value that a chart shows, with a margin.
 * @param {number[]} values
 * @param {{ floor: number | null, log: boolean }} options `floor` is shown even where all values are higher
 * @returns {[low: number, high: number]}
 */
export function range(values, { floor, log }) {
  const low = Math.min(...values, ...(floor === null || log ? [] : [floor]));
  const high = Math.max(...values);
  if (log) return low === high ? [low / 2, high * 2] : [low, high];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [floor !== null && low >= floor ? low : low - margin, high + margin];
}

/**
 * Round values from `low` to `high`.
 * @param {number} low
 * @param {number} high
 * @param {number} wanted about how many
 */
export function ticks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? 10 * power;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) {
    found.push(Number(value.toPrecision(12)));
  }
  return found;
}

/**
 * Three values for a logarithmic axis: both ends and the middle.
 * @param {number} low
 * @param {number} high
 */
export function logTicks(low, high) {
  return [low, Math.sqrt(low * high), high];
}
