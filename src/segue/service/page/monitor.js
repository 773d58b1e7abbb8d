/** How the model fares live: outcomes that the service saw, joined to what it had said. */

import { calibration } from "./calibration.js";
import { button, el, replace } from "./dom.js";
import { many, moment, number, percent, whole } from "./words.js";

const EVERY_MS = 15_000;
const ENOUGH = 30; // plays, before anything is said of them

export function monitor(page, ofModel) {
  const body = el("div", { class: "live" }), again = button("Refresh", () => ask(), { class: "quiet" });
  const place = el("section", { class: "monitor", "aria-labelledby": "monitor-head" },
    el("div", { class: "head" }, el("h2", { id: "monitor-head" }, "Live, so far"), again), body);
  let fresh = null;

  async function ask() {
    fresh?.abort();
    fresh = new AbortController();
    try {
      const models = await page.api.monitor(fresh.signal);
      replace(body, ...shown(models.find((one) => one.model === ofModel().name)));
    } catch (problem) {
      if (problem.name !== "AbortError") replace(body, el("p", { class: "note" }, problem.sentences ?? String(problem)));
    }
  }
  page.addEventListener("model", ask);
  setInterval(() => { if (!document.hidden && !place.querySelector("details[open]")) ask(); }, EVERY_MS);
  return place;
}

function shown(its) {
  if (!its?.n) {
    return [el("p", {}, "No outcome has come in yet."), el("p", { class: "note" }, "The service joins what it said to what happened, for sessions that are sent to it play by play (/v1/sessions). The session of this page is not one of them.")];
  }
  const few = its.n < ENOUGH || its.base_log_loss == null; // or all of them went the same way
  const compared = few ? ": too few plays to say whether that is good"
    : `, ${its.log_loss < its.base_log_loss ? "better" : "no better"} than ${number(its.base_log_loss)} of always saying how many are skipped`;
  const bins = its.calibration.filter(({ n }) => n).map(({ predicted, skipped, n }) => ({ said: predicted, happened: skipped, n }));
  return [
    el("p", { class: "verdict" }, `Log-loss ${number(its.log_loss)} over ${many(its.n, "play")}${compared}.`),
    el("figure", {}, bins.length ? calibration(bins) : null, el("figcaption", {}, `Skipped ${percent(its.skipped)}, said ${percent(its.predicted)} on average.`)),
    el("details", {}, el("summary", {}, "The numbers"),
      table(["from–to", "plays", "said", "skipped"], its.calibration.filter(({ n }) => n), ({ low, high, n, predicted, skipped }) => [`${Math.round(100 * low)}–${Math.round(100 * high)}\u00a0%`, whole(n), percent(predicted), percent(skipped)]),
      its.by_hour?.length ? table(["hour", "plays", "log-loss"], its.by_hour, ({ hour, n, log_loss }) => [moment(Date.parse(hour)), whole(n), log_loss == null ? "–" : number(log_loss)]) : null),
  ];
}

const table = (heads, rows, cells) => el("table", { class: "scores" }, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col", class: "number" }, head)))),
  el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row).map((cell) => el("td", { class: "number" }, cell))))));
