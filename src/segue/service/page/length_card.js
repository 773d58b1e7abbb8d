/** The card of a model that says how long they stay: its errors beside the marks', whether its promises held; what it cannot do. */

import { calibration } from "./calibration.js";
import { el } from "./dom.js";
import { figure, many, number, percent, whole } from "./words.js";

const SOON = { 300: "5 minutes", 900: "15 minutes" };
const GROUPS = { start: "at the start", cold: "under 5 sessions before", "5 to 29 before": "5 to 29 sessions before", "30 or more": "30 or more before" };
const FEW = 300; // sessions of a test: below, its intervals are wide

export function card({ name, model, setting, card: its }) {
  const { score, baselines = [] } = its, every = score?.by_group?.all;
  const unit = every?.crps_min ? "min" : "tracks";
  return [el("section", { class: "scored", "aria-labelledby": "length-card-head" },
    el("h2", { id: "length-card-head" }, "How long, honestly"),
    el("p", { class: "note" }, `${name}: ${model}, setting ${setting}`),
    ...(every ? scores(score, baselines, its.best_baseline, unit) : [el("p", { class: "note" }, "The card says no score.")]),
    ...(every ? promises(score, every) : []),
  ), el("section", { class: "facts", "aria-labelledby": "length-limits-head" },
    el("h2", { id: "length-limits-head" }, "What it cannot say"),
    el("ul", { class: "limits" }, ...limits(its, score, unit).map((one) => el("li", {}, one))), facts(its))];
}

function scores(score, baselines, best, unit) {
  const [crps, mae] = [`crps_${unit}`, `mae_${unit}`], called = unit === "min" ? "minutes" : "tracks";
  const rows = [{ ...score, own: true }, ...baselines.filter((one) => one.model !== score.model)].filter((one) => one.by_group?.all?.[mae]);
  rows.sort((a, b) => a.by_group.all[crps].value - b.by_group.all[crps].value);
  const row = ({ model, is_curve: isCurve, by_group: { all }, own }) => el("tr", own ? { class: "own" } : {}, el("th", { scope: "row" }, model),
    el("td", { class: "number" }, isCurve ? error(all[crps]) : "–"), el("td", { class: "number" }, error(all[mae])));
  const groups = Object.entries(score.by_group).filter(([group]) => group !== "all");
  return [el("p", { class: "verdict" }, verdict(score, best, called)),
    el("table", { class: "scores compared" }, el("caption", {}, `How far off, in ${called}, with 95 % intervals; lower is better. CRPS is of a whole curve, MAE of its median alone.`),
      head("", "CRPS", "MAE"), el("tbody", {}, ...rows.map(row))),
    groups.length ? el("details", {}, el("summary", {}, "By plays heard, and by sessions known before"), el("table", { class: "scores compared" },
      head("", "CRPS", "MAE", "80 % held"), el("tbody", {}, ...groups.map(([group, of]) => el("tr", {}, el("th", { scope: "row" }, GROUPS[group] ?? (group === "after 1" ? "after 1 play" : `${group} plays`)),
        el("td", { class: "number" }, score.is_curve ? number(of[crps].value, 1) : "–"), el("td", { class: "number" }, number(of[mae].value, 1)),
        el("td", { class: "number" }, of.coverage ? percent(of.coverage.value) : "–")))))) : null];
}

const head = (...names) => el("thead", {}, el("tr", {}, ...names.map((one, i) => (one ? el("th", { scope: "col", class: i ? "number" : null }, one) : el("td", {})))));
const error = ({ value, low, high }) => `${number(value, 1)} [${number(low, 1)}, ${number(high, 1)}]`;

function verdict({ model, is_curve: isCurve, gain }, best, called) {
  if (!isCurve) return "One number and no curve: it says nothing of how sure it is.";
  if (model === best || !gain) return "It is the mark itself: the listener's own lengths, drawn towards everybody's.";
  const by = `${number(Math.abs(gain.value), 2)} [${number(gain.low, 2)}, ${number(gain.high, 2)}] ${called} of CRPS`;
  if (gain.low > 0) return `Better than ${best}, which knows the listener's own lengths alone, by ${by}.`;
  return gain.high < 0 ? `Worse than ${best}, which knows the listener's own lengths alone, by ${by}: better not use it.`
    : `Not shown to be better than ${best}, which knows the listener's own lengths alone: the difference is ${figure(gain)} ${called} of CRPS.`;
}

/** Whether what was promised came true. */
function promises({ soon = {} }, { coverage, width_min: width }) {
  const of = soon[900] ?? soon[300], within = SOON[soon[900] ? 900 : 300];
  const bins = of ? of.promised.map((said, i) => ({ said, happened: of.found[i], n: of.n[i] })).filter(({ n }) => n) : [];
  const held = ({ value, low, high }) => `${percent(value)} [${number(100 * low, 1)}, ${number(100 * high, 1)}]`;
  return [coverage ? el("p", {}, `Its 80 % intervals held for ${held(coverage)} of the moments of its test; they were ${whole(width.value)} minutes wide on average.`) : null,
    bins.length ? el("figure", {}, calibration(bins, { happened: "gone", of: `gone within ${within}` }), el("figcaption", {}, `Gone within ${within}: as it was said, and as it was, by tenths of the test.`)) : null];
}

/** What whoever reads an answer should know. */
function limits({ features = [], sessions = {}, source }, score, unit) {
  const c = score?.concordance;
  return [
    "This page names no listener: it answers as for someone new, unless a session of your own is opened and it is told of those before.",
    c > 0 ? `Which of two sessions will last longer it tells in ${percent(c)} of the cases (Uno's C, at the start); a coin in 50 %.` : null,
    unit === "tracks" ? "The log that it learned from has no clock: it answers in tracks alone." : null,
    features.some((one) => one.includes("skip")) ? null : "It does not read whether tracks are skipped, only how time passes.",
    "A break of half an hour or so ends a session: who comes back later begins another.",
    sessions["tested on"] < FEW ? `It was tested on ${many(sessions["tested on"], "session")} only: mind the intervals.` : null,
    source ? `It learned from ${source}: listeners of another service, place or time may differ.` : null,
    "Tracks queued here are 3:20 long where nothing else is known, and start one second after the play before.",
  ].filter(Boolean);
}

function facts(its) {
  const days = (range) => (range ? `${range[0]} to ${range[1]}` : "unknown days"), { sessions = {}, source_options: options = {} } = its;
  const of = (n) => (n ? `, ${many(n, "session")}` : "");
  const told = {
    "Learned from": `${days(its.trained_on_days)}${of(sessions["trained on"])}`, "Tested on": `${days(its.tested_on_days)}${of(sessions["tested on"])}`,
    "A break of": options.gap_min && `${options.gap_min} minutes ends a session`, Split: its.split, Features: its.features?.length ? whole(its.features.length) : null,
    "Plays from": its.source, Licence: its.licence_of_the_data, Source: its.citation, "Made by": its.segue && `segue ${its.segue}, library ${String(its.library).slice(0, 12)}`,
  };
  const rows = Object.entries(told).filter(([, value]) => value), pair = ([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value));
  return el("div", {}, el("dl", {}, ...rows.slice(0, 2).map(pair)), el("details", {}, el("summary", {}, "How it was made"), el("dl", {}, ...rows.slice(2).map(pair))));
}
