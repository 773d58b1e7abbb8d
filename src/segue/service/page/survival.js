/** How many are still here after so long: a falling curve, the time by which half have left, and where most leave. */

import { shape } from "./dom.js";
import { percent } from "./words.js";

const WIDTH = 340, HEIGHT = 200, LEFT = 34, BOTTOM = 32, TOP = 12, RIGHT = 12;
const ENDS = { minutes: [15, 30, 60, 90, 120, 180, 240, 360, 480], tracks: [5, 10, 20, 30, 50, 70, 100] };
const STEPS = { 5: 1, 10: 2, 15: 5, 20: 5, 30: 10, 50: 10, 60: 15, 70: 10, 90: 15, 100: 20, 120: 30, 180: 30, 240: 60, 360: 60, 480: 120 };
const FEW = 0.1; // the picture ends where so few are left
const TOLD = { minutes: [5, 15, 30, 60, 120], tracks: [1, 3, 5, 10, 20] };

/**
 * @param unit "minutes" or "tracks"
 * @param now {points: [[x, share still here]], median, low, high}
 * @param before the points that were said last, or null
 */
export function survival(unit, now, before) {
  const end = ENDS[unit].find((one) => Math.max(at(now.points, one), at(before, one)) <= FEW) ?? ENDS[unit].at(-1);
  const x = (t) => LEFT + (Math.min(t, end) / end) * (WIDTH - LEFT - RIGHT), y = (p) => HEIGHT - BOTTOM - p * (HEIGHT - BOTTOM - TOP);
  const text = (left, top, words, given) => shape("text", { x: left, y: top, "text-anchor": "middle", ...given }, words);
  const ticks = Array.from({ length: Math.floor(end / STEPS[end]) + 1 }, (_, i) => i * STEPS[end]);
  const { median, low, high } = now;
  return shape("svg", { class: "survival", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told(unit, now) },
    low == null ? null : shape("rect", { class: "most", x: x(low), y: y(1), width: Math.max(2, x(high) - x(low)), height: y(0) - y(1) }),
    ...[0, 0.5, 1].flatMap((p) => [
      shape("line", { class: "grid", x1: x(0), x2: x(end), y1: y(p), y2: y(p) }), text(LEFT - 5, y(p) + 4, String(100 * p), { "text-anchor": "end" }),
    ]),
    ...ticks.map((t) => text(x(t), y(0) + 13, String(t))),
    before ? shape("path", { class: "before", d: path(before, end, x, y) }) : null,
    shape("path", { class: "now", d: path(now.points, end, x, y) }),
    median <= end ? shape("circle", { cx: x(median), cy: y(Math.min(0.5, now.points[0][1])), r: 4 }) : null,
    text(x(end / 2), HEIGHT - 3, `${unit} from now`),
    text(0, 0, "still here, %", { transform: `translate(10 ${y(0.5)}) rotate(-90)` }));
}

/** From all of them at 0, down to those who do not leave at once, and on. */
function path(points, end, x, y) {
  const shown = [[0, 1], ...points.filter(([t]) => t <= end)];
  return shown.map(([t, p], i) => `${i ? "L" : "M"}${x(t).toFixed(1)} ${y(p).toFixed(1)}`).join("");
}

/** The share still here after t, read along the line; 0 of a curve that is not there. */
function at(points, t) {
  const i = points?.findIndex(([time]) => time >= t) ?? -1;
  if (i < 0) return 0;
  const [right, there] = points[i], [left, here] = points[i - 1] ?? points[i];
  return right === left ? there : here + ((t - left) / (right - left)) * (there - here);
}

function told(unit, { points, median }) {
  const shares = TOLD[unit].map((t) => `after ${t}, ${percent(at(points, t))}`);
  return `Still here, by ${unit} from now: ${shares.join("; ")}. Half have left after ${median}.`;
}
