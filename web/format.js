// Numbers, sizes and times for people.

export const dash = "–";

export function percent(value, digits = 1) {
  return value === null || value === undefined ? dash : `${(100 * value).toFixed(digits)}%`;
}

export function count(value) {
  if (value === null || value === undefined) return dash;
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return `${trim(value / size)} ${letter}`;
  }
  return trim(value);
}

export function bytes(value) {
  if (value === null || value === undefined) return dash;
  for (const [size, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (value >= size) return `${trim(value / size)} ${unit}`;
  }
  return `${value} B`;
}

export function number(value, digits = 4) {
  return value === null || value === undefined ? dash : String(Number(value.toPrecision(digits)));
}

export function seconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return dash;
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 60) return `${Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86400)} d ${Math.round((value % 86400) / 3600)} h`;
}

export function between(from, to) {
  return from && to ? (new Date(to) - new Date(from)) / 1000 : null;
}

export function age(at) {
  const value = Math.max(0, (Date.now() - new Date(at)) / 1000);
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (value >= size) return `${Math.floor(value / size)} ${unit} ago`;
  }
  return value < 5 ? "now" : `${Math.floor(value)} s ago`;
}

export function clock(at) {
  return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

// "13× smaller", "1.2× larger": how b stands to a.
export function ratio(a, b, less = "smaller", more = "larger") {
  if (!a || !b) return "";
  const times = a / b;
  if (times > 0.995 && times < 1.005) return "the same";
  return times > 1 ? `${trim(times)}× ${less}` : `${trim(1 / times)}× ${more}`;
}

function trim(value) {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toFixed(value >= 10 ? 1 : 2)));
}
