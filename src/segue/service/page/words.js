/** Numbers and columns in words. */

/** 0.4132 → 41.3 % */
export const percent = (p) => `${(100 * p).toFixed(1)}\u00a0%`;

/** 0.072 → +7.2; what rounds to nothing is 0.0 */
export function points(moved) {
  const text = (100 * moved).toFixed(1);
  return Number(text) === 0 ? "0.0" : text.startsWith("-") ? `−${text.slice(1)}` : `+${text}`;
}

export const number = (value, digits = 3) => value.toFixed(digits).replace("-", "−");

/** A figure with its interval, as it was measured. */
export const figure = ({ value, low, high }) => `${number(value)} [${number(low)}, ${number(high)}]`;

export const whole = (n) => Math.round(n).toLocaleString("en");

export const many = (n, one, more = `${one}s`) => `${whole(n)} ${n === 1 ? one : more}`;

/** 200000 → 3:20 */
export function clock(ms) {
  const s = Math.round(ms / 1000);
  const parts = s < 3600 ? [Math.floor(s / 60), s % 60] : [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  return parts.map((part, i) => (i ? String(part).padStart(2, "0") : part)).join(":");
}

/** A day and a time of day, on the clock of whoever looks. */
export const moment = (ms) =>
  new Date(ms).toLocaleString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

export const month = (ms) => new Date(ms).toLocaleString("en-GB", { month: "long", year: "numeric" });

/** What a reason's feature was, in its unit. */
export function valued({ value, unit }) {
  if (value == null) return "not known";
  if (typeof value === "string") return value.replaceAll("_", " ");
  switch (unit) {
    case "flag": return value ? "yes" : "no";
    case "share": return percent(value);
    case "plays": return Number.isInteger(value) ? many(value, "play") : `${value.toFixed(1)} plays`;
    case "s": return value < 60 ? `${Math.round(value)} s` : value < 86_400 ? clock(1000 * value) : many(value / 86_400, "day");
    case "day": return many(value, "day");
    case "hour": return `${value} h`;
    case "year": return String(Math.round(value));
    default: return Number.isInteger(value) ? String(value) : number(value, 2);
  }
}
