// Numbers, sizes and times, written for people. A value that is not known is written as a dash.

export const dash = "–";

/** @typedef {number | null | undefined} MaybeNumber */

/** @type {[number, string][]} */
const COUNTS = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];
/** @type {[number, string][]} */
const SIZES = [
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
];
/** @type {[number, string][]} */
const AGES = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

/**
 * A fraction as a percentage.
 * @param {MaybeNumber} value
 * @param {number} [digits] after the point
 */
export function percent(value, digits = 1) {
  return value === null || value === undefined ? dash : `${(100 * value).toFixed(digits)}%`;
}

/** @param {MaybeNumber} value */
export function count(value) {
  if (value === null || value === undefined) return dash;
  const unit = COUNTS.find(([size]) => Math.abs(value) >= size);
  return unit ? `${trim(value / unit[0])} ${unit[1]}` : trim(value);
}

/** @param {MaybeNumber} value */
export function bytes(value) {
  if (value === null || value === undefined) return dash;
  const unit = SIZES.find(([size]) => value >= size);
  return unit ? `${trim(value / unit[0])} ${unit[1]}` : `${value} B`;
}

/**
 * @param {MaybeNumber} value
 * @param {number} [digits] significant ones
 */
export function number(value, digits = 4) {
  return value === null || value === undefined ? dash : String(Number(value.toPrecision(digits)));
}

/** @param {MaybeNumber} value */
export function milliseconds(value) {
  return value === null || value === undefined ? dash : `${value.toFixed(2)} ms`;
}

/**
 * A duration.
 * @param {MaybeNumber} value in seconds
 */
export function seconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return dash;
  if (value < 10) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(value / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * Seconds from one time to another; null where one of them is not known.
 * @param {string | Date | null | undefined} from
 * @param {string | Date | null | undefined} to
 */
export function between(from, to) {
  return from && to ? (new Date(to).getTime() - new Date(from).getTime()) / 1000 : null;
}

/** @param {string} at */
export function age(at) {
  const value = Math.max(0, (Date.now() - new Date(at).getTime()) / 1000);
  const unit = AGES.find(([size]) => value >= size);
  if (unit) return `${Math.floor(value / unit[0])} ${unit[1]} ago`;
  return value < 5 ? "now" : `${Math.floor(value)} s ago`;
}

/** @param {string} at */
export function clock(at) {
  return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/**
 * How much smaller b is than a: "13× smaller", "1.2× larger".
 * @param {MaybeNumber} a
 * @param {MaybeNumber} b
 * @param {string} [less]
 * @param {string} [more]
 */
export function ratio(a, b, less = "smaller", more = "larger") {
  if (!a || !b) return "";
  const times = a / b;
  if (times > 0.995 && times < 1.005) return "the same";
  return times > 1 ? `${trim(times)}× ${less}` : `${trim(1 / times)}× ${more}`;
}

/** @param {number} value */
function trim(value) {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toFixed(value >= 10 ? 1 : 2)));
}

/**
 * "1 file", "2 files".
 * @param {number} number
 * @param {string} noun
 */
export function plural(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
