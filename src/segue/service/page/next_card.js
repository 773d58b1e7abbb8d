/** The card of a model that continues lists: how it fares by what is told of a list, beside the best of the others; what it cannot do. */

import { el } from "./dom.js";
import { figure, many, percent, whole } from "./words.js";

const METRICS = { r_precision: "R-precision", ndcg: "NDCG", hr: "hit rate", mrr: "MRR" };

export function card({ name, model, setting, card: its }) {
  const { marks = [], about = {}, spread = {} } = its.contest ?? {};
  const own = marks.filter((one) => one.model === model);
  return [el("section", { class: "scored", "aria-labelledby": "next-card-head" },
    el("h2", { id: "next-card-head" }, "What it proposes, honestly"),
    el("p", { class: "note" }, `${name}: ${model}, setting ${setting}`),
    ...(own.length ? scores(own, marks) : [el("p", { class: "note" }, "The card says no score.")]),
  ), el("section", { class: "facts", "aria-labelledby": "next-limits-head" },
    el("h2", { id: "next-limits-head" }, "What it cannot propose"),
    el("ul", { class: "limits" }, ...limits(about, spread[model], its).map((one) => el("li", {}, one))), facts(about, its))];
}

/** A row for each way of asking: its own mark, and the best of the others. */
function scores(own, marks) {
  const metric = Object.keys(own[0]).find((key) => own[0][key]?.value != null), called = METRICS[metric] ?? metric.replaceAll("_", " ");
  const rivals = [...new Set(marks.map(({ model }) => model))].filter((model) => model !== own[0].model);
  const row = (mark) => {
    const [best] = marks.filter((one) => one.category === mark.category && one.model !== mark.model)
      .sort((a, b) => b[metric].value - a[metric].value);
    return el("tr", {}, el("th", { scope: "row" }, mark.category ?? "all"), el("td", { class: "number" }, figure(mark[metric])),
      best ? el("td", { class: "number" }, `${best[metric].value.toFixed(3)} ${rivals.length > 1 ? best.model : ""}`) : null);
  };
  return [el("table", { class: "scores compared" }, el("caption", {}, `${called} by what is told of a list, with 95 % intervals; higher is better`),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "told"), el("th", { scope: "col", class: "number" }, own[0].model),
      rivals.length ? el("th", { scope: "col", class: "number" }, rivals.length > 1 ? "best of the others" : rivals[0]) : null)),
    el("tbody", {}, ...own.map(row)))];
}

/** What whoever reads the proposals should know. */
function limits({ unknown_in_test: unknown, test, lists }, spread, { source }) {
  return [
    "A track that stands in none of the lists it learned from is never proposed.",
    unknown > 0 ? `That was so of ${percent(unknown)} of the tracks that its test held back.` : null,
    spread?.most_played_tenth != null ? `Of its first ten proposals ${percent(spread.most_played_tenth)} are of the most played tenth of all tracks, ${percent(spread.least_played_half ?? 0)} of the least played half.` : null,
    "It reads which tracks were heard and queued, not whether they were skipped.",
    test != null && test < 300 ? `It was tested on ${many(test, "list")} only: mind the intervals.` : null,
    source && lists ? `It learned from ${many(lists, "list")} of ${source}: listeners elsewhere may differ.` : null,
  ].filter(Boolean);
}

function facts({ train, test, tracks, split }, its) {
  const told = {
    "Learned from": its.lists && many(its.lists, "list"), "Tested on": test && `${many(test, "list")}, learned from ${whole(train)}`,
    Tracks: tracks && whole(tracks), Split: split, Licence: its.licence_of_the_data, Source: its.citation,
    "Made by": its.segue && `segue ${its.segue}, library ${String(its.library).slice(0, 12)}`,
  };
  const pair = ([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value));
  return el("details", {}, el("summary", {}, "How it was made"), el("dl", {}, ...Object.entries(told).filter(([, value]) => value).map(pair)));
}
