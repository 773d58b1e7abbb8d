/** Whether it happens as often as it is said: a picture of bins against the diagonal. */

import { shape } from "./dom.js";
import { percent, whole } from "./words.js";

const SIZE = 220, LEFT = 34, BOTTOM = 30, TOP = 8, RIGHT = 10;
const x = (p) => LEFT + p * (SIZE - LEFT - RIGHT), y = (p) => SIZE - BOTTOM - p * (SIZE - BOTTOM - TOP);

/**
 * @param bins [{said, happened, n}], those without plays left out
 * @param words what happens, and what of is said
 */
export function calibration(bins, { happened: came = "skipped", of = "" } = {}) {
  const most = Math.max(...bins.map(({ n }) => n));
  const told = bins.map(({ said, happened, n }) => `said ${percent(said)}, ${came} ${percent(happened)} of ${whole(n)}`).join("; ");
  const text = (at, words, given) => shape("text", { x: at[0], y: at[1], ...given }, words);
  return shape("svg", { class: "calibration", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": `Calibration${of && `, ${of}`}: ${told}` },
    ...[0, 0.5, 1].flatMap((p) => [
      shape("line", { class: "grid", x1: x(p), x2: x(p), y1: y(0), y2: y(1) }), shape("line", { class: "grid", x1: x(0), x2: x(1), y1: y(p), y2: y(p) }),
      text([x(p), y(0) + 13], String(100 * p), { "text-anchor": "middle" }), text([x(0) - 5, y(p) + 4], String(100 * p), { "text-anchor": "end" }),
    ]),
    shape("line", { class: "diagonal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    ...bins.map(({ said, happened, n }) => shape("circle", { cx: x(said), cy: y(happened), r: 2 + 4 * Math.sqrt(n / most) })),
    text([x(0.5), SIZE - 3], "said, %", { "text-anchor": "middle" }),
    text([0, 0], `${came}, %`, { "text-anchor": "middle", transform: `translate(10 ${y(0.5)}) rotate(-90)` }));
}
