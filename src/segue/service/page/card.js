/** A model's card: its scores beside the baselines', with intervals; what it was learned from; what it cannot do. */

import { calibration } from "./calibration.js";
import { el, shape } from "./dom.js";
import { figure, many, number, whole } from "./words.js";

const METRICS = {
  log_loss: ["log-loss", false], brier: ["Brier score", false], auc: ["AUC", true], auc_within: ["AUC within a listener", true],
  accuracy: ["accuracy", true], maa: ["mean average accuracy", true], fpa: ["accuracy of the first asked play", true],
};
const metric = (name) => METRICS[name] ?? [name.replaceAll("_", " "), null];

export function card({ name, setting, card: its }) {
  const { score, baselines = [] } = its;
  const scored = score?.metrics ? scores(its.model, score, baselines, its.best_baseline) : [el("p", { class: "note" }, "The card says no score.")];
  const bins = (score?.calibration?.bins ?? []).map(({ mean_p, rate, n }) => ({ said: mean_p, happened: rate, n }));
  const { ece, floor } = score?.calibration ?? {};
  return [el("section", { class: "scored", "aria-labelledby": "card-head" },
    el("h2", { id: "card-head" }, "The model, honestly"),
    el("p", { class: "note" }, `${name}: ${its.model}, setting ${setting}`),
    ...scored,
    bins.length ? el("figure", {}, calibration(bins), el("figcaption", {}, `On the test days: off by ${number(100 * ece, 1)} points on average; ${number(100 * floor, 1)} would be chance alone.`)) : null,
  ), el("section", { class: "facts", "aria-labelledby": "limits-head" },
    el("h2", { id: "limits-head" }, "What it cannot do"), el("ul", { class: "limits" }, ...limits(its).map((one) => el("li", {}, one))),
    facts(its))];
}

function scores(model, score, baselines, best) {
  const first = Object.keys(score.metrics)[0], [called, isHigherBetter] = metric(first);
  const rows = [{ ...score, model, own: true }, ...baselines].filter((one) => one.metrics[first]);
  rows.sort((a, b) => (isHigherBetter ? -1 : 1) * (a.metrics[first].value - b.metrics[first].value));
  const ends = rows.flatMap(({ metrics: { [first]: { low, high } } }) => [low, high]), low = Math.min(...ends), high = Math.max(...ends);
  const line = ({ model: one, metrics, own }) => el("tr", own ? { class: "own" } : {}, el("th", { scope: "row" }, one),
    el("td", { class: "number" }, figure(metrics[first])), el("td", { class: "plot", "aria-hidden": "true" }, interval(metrics[first], low, high)));
  const others = Object.entries(score.metrics).slice(1).map(([key, value]) => el("tr", {}, el("th", { scope: "row" }, metric(key)[0]), el("td", { class: "number" }, figure(value))));
  return [
    el("p", { class: "verdict" }, verdict(score, baselines, called, best)),
    el("table", { class: "scores" }, el("caption", {}, `${called}, with 95 % intervals; ${isHigherBetter ? "higher" : "lower"} is better`), el("tbody", {}, ...rows.map(line))),
    others.length ? el("details", {}, el("summary", {}, "Other scores"), el("table", { class: "scores" }, el("tbody", {}, ...others))) : null,
  ];
}

function verdict({ gained_on_best_baseline: gained }, baselines, called, best) {
  if (!baselines.length) return "It was compared with no baseline.";
  if (!gained) return "It is the best baseline itself.";
  const by = `${number(Math.abs(gained.value))} [${number(gained.low)}, ${number(gained.high)}]`;
  if (gained.low > 0) return `Better than the best baseline, ${best}, by ${by} in ${called}.`;
  return gained.high < 0 ? `Worse than the best baseline, ${best}, by ${by} in ${called}: better not use it.`
    : `Not shown to be better than the best baseline, ${best}: the difference is ${figure(gained)} in ${called}.`;
}

/** A dot and its interval on a line from the lowest to the highest. */
function interval({ value, low, high }, from, to) {
  const x = (v) => 8 + (84 * (v - from)) / (to - from || 1);
  return shape("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none" }, shape("line", { class: "grid", x1: 0, x2: 100, y1: 6, y2: 6 }),
    shape("line", { class: "interval", x1: x(low), x2: x(high), y1: 6, y2: 6 }), shape("line", { class: "dot", x1: x(value), x2: x(value) + 0.01, y1: 6, y2: 6 }));
}

function facts(its) {
  const days = (range) => (range ? `${range[0]} to ${range[1]}` : null);
  const told = {
    "Learned from": `${days(its.trained_on_days) ?? "unknown days"}${its.counts?.train ? `, ${whole(its.counts.train)} plays` : ""}`,
    "Tested on": `${days(its.tested_on_days) ?? "unknown days"}${its.counts?.test ? `, ${whole(its.counts.test)} plays` : ""}`,
    "Best baseline": its.best_baseline, Split: its.split, "A skip is": its.skip_rule,
    Features: its.features?.length ? whole(its.features.length) : null, "Plays from": its.source, Licence: its.licence_of_the_data,
    Source: its.citation, "Made by": its.segue && `segue ${its.segue}, library ${String(its.library).slice(0, 12)}`,
  };
  const rows = Object.entries(told).filter(([, value]) => value);
  const pair = ([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value));
  return el("div", {}, el("dl", {}, ...rows.slice(0, 3).map(pair)), el("details", {}, el("summary", {}, "How it was made"), el("dl", {}, ...rows.slice(3).map(pair))));
}

/** What whoever reads an answer should know, of this bundle and of any. */
function limits({ history_as_of: asOf, features = [], counts = {}, source, setting, score }) {
  const ofHistory = features.some((one) => /^(plays|skip_rate)_of_(track|artist)/.test(one)), { ece, floor } = score?.calibration ?? {};
  return [
    "This page says nothing of who listens: it answers as for someone new.",
    ofHistory && asOf ? `Of tracks and artists it knows what happened before ${asOf}; one that it never met is judged by the session alone.` : null,
    ece > floor ? "Its probabilities are off by more than chance explains: read them as an order rather than as rates." : null,
    counts.test < 2000 ? `It was tested on ${many(counts.test, "play")} only: mind the intervals.` : null,
    setting === "challenge" ? "It is asked once, at the middle: what happens later in the session does not move its answers." : null,
    source ? `It learned from ${source}: listeners of another service, place or time may differ.` : null,
    "Tracks queued here are 3:20 long where nothing else is known, and start one second after the play before.",
  ].filter(Boolean);
}
