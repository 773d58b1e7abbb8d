/** The panel of the task skip: how likely each queued track is to be skipped, why, and how that moves. */

import { card } from "./card.js";
import { mount as mountCircumstances } from "./circumstances.js";
import { el, isolated, replace, unseen } from "./dom.js";
import { monitor } from "./monitor.js";
import { many, percent, points, valued } from "./words.js";

const TASK = "skip";
const SAME = 1e-9;
const SPOKEN = 3; // changes that are read out; all of them stand on the page

const MEANING = {
  candidates: ["Skipped, if it played next?", "Candidates: each track is asked about as if it came next, right after what was heard. Their order does not matter."],
  last: ["Skipped, if it played last?", "Candidates: each track is asked about as if it were the last of the session, right after what was heard."],
  queue: ["Skipped, played in this order?", "A queue: all tracks play in this order. The model is asked once, when half of the session has been heard, about all that follow."],
};

export function mount({ asking, circumstances, about }, page, models) {
  const { session } = page;
  mountCircumstances(circumstances, page);
  const answers = new Map(); // entry's id → {p, moved, reasons}
  const predicted = new Map(models.map(({ name }) => [name, new Map()])); // what each model said, should it be chosen again
  const chooser = el("select", { id: "model", change: () => choose(models[chooser.selectedIndex]) },
    ...models.map((one) => el("option", {}, called(one))));
  const head = el("h2", { id: "skip-head" }), meaning = el("p", { class: "meaning" }), state = el("div", { class: "state" });
  asking.append(el("section", { class: "panel", "aria-labelledby": "skip-head" }, el("div", { class: "head" }, head,
    models.length > 1 ? el("label", { for: "model" }, "Model ", chooser) : el("span", { class: "note" }, called(models[0]))), meaning, state));
  const live = monitor(page, () => model);
  let model, heard, waiting = null, later = 0;

  session.addEventListener("change", ask);
  choose(models[0]);

  function choose(one) {
    model = one;
    answers.clear();
    session.predicted = predicted.get(one.name);
    [head.textContent, meaning.textContent] = MEANING[one.setting] ?? MEANING[one.offers];
    const [scored, facts] = card(one);
    replace(about, scored, live, facts);
    page.choose(one);
    session.choose({}); // what is shown of the heard plays was another model's
  }

  async function ask() {
    waiting?.abort();
    clearTimeout(later);
    const asked = model.offers === "queue" ? session.inOrder() : session.candidates();
    if (!asked) { tell({ missing: missing() }); return; }
    state.setAttribute("aria-busy", "true");
    const { signal } = (waiting = new AbortController());
    const stepped = heard !== session.heard;
    try {
      const said = await page.api.skip(asked.body, { model: model.name, signal });
      heard = session.heard;
      const news = take(asked.entries, said.answers, stepped);
      tell({ notes: said.notes, asked });
      announce(news);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      tell({ problem });
      if (problem.status === 401) page.trouble(problem, ask);
      if (problem.status === 429) later = setTimeout(ask, 1000 * Math.max(1, problem.retryAfter));
    }
  }

  /** Keeps what was said of each, and by how much it moved; returns those that did. */
  function take(entries, said, stepped) {
    const news = [], queued = new Set(session.queue.map(({ id }) => id));
    entries.forEach(({ id, title, track }, i) => {
      const before = answers.get(id), { probability: p, reasons } = said[i];
      const changed = before && (stepped || Math.abs(p - before.p) > SAME);
      const moved = changed ? p - before.p : before?.moved;
      answers.set(id, { p, moved, before: changed ? before.p : before?.before, reasons });
      session.predicted.set(id, p);
      if (queued.has(id) && (!before || Math.abs(p - before.p) > 5e-4)) news.push({ name: title ?? track, p, moved: before && moved });
    });
    const there = new Set(entries.map(({ id }) => id));
    for (const id of answers.keys()) if (!there.has(id)) answers.delete(id);
    return news;
  }

  function tell({ notes = [], missing: lacks, problem, asked }) {
    const entries = asked?.entries ?? [], late = model.offers === "queue" ? session.heard.length - session.half : 0;
    state.setAttribute("aria-busy", "false");
    replace(state, problem ? el("p", { class: "problem", role: "alert" }, problem.sentences ?? String(problem)) : null,
      lacks ? el("p", { class: "missing" }, lacks) : null,
      asked && late > 0 ? el("p", { class: "note" }, `Asked after ${session.half} of ${session.heard.length + session.queue.length} plays: what was heard since does not count.`) : null,
      asked && model.offers !== "queue" && session.queue.length > entries.length ? el("p", { class: "note" }, `The first ${entries.length} are asked about.`) : null,
      ...notes.map((note) => el("p", { class: "note" }, `${note[0].toUpperCase()}${note.slice(1)}.`)));
    const known = asked ? answers : new Map();
    for (const { id } of session.queue) {
      const place = page.slot(id, TASK);
      if (place) show(place, known.get(id), problem);
    }
  }

  /** What the session lacks before a model of its middle can be asked. */
  function missing() {
    const { heard: { length: n }, queue, half } = session;
    if (!queue.length || model.offers !== "queue") return "";
    return `The model is asked at the middle: ${n} of the first ${half} of ${n + queue.length} plays have been heard. Play, skip or finish ${many(half - n, "more track")}, or queue fewer.`;
  }

  function announce(news) {
    if (!news.length) return;
    const told = news.slice(0, SPOKEN).map(({ name, p, moved }) => `${isolated(name)} ${percent(p)}${moved ? `, ${way(moved)} ${points(Math.abs(moved)).slice(1)}` : ""}`);
    page.say(`Likely to be skipped: ${told.join("; ")}${news.length > SPOKEN ? `; and ${many(news.length - SPOKEN, "other")}` : ""}`);
  }
}

const called = ({ name, model, setting }) => `${name}${name === model ? "" : ` (${model}, ${setting})`}`;
const way = (moved) => (moved > 0 ? "up" : "down");

/** The number, the bar and the reasons in a track's row. */
function show(place, answer, problem) {
  if (!answer) {
    place.removeAttribute("data-probability");
    replace(place, el("p", { class: "note" }, problem ? "no answer" : "not asked yet"));
    return;
  }
  const { p, moved, before, reasons } = answer;
  place.dataset.probability = p;
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "fill" }), before == null ? null : el("span", { class: "was" }));
  bar.querySelector(".fill").style.width = `${100 * p}%`; // set by a program, which the policy on styles allows
  if (before != null) bar.querySelector(".was").style.left = `${100 * before}%`; // where it stood before
  replace(place, el("p", { class: "said" }, unseen("Skipped with "), el("strong", {}, percent(p)), change(moved), bar), reasons.length ? why(reasons) : null);
}

function change(moved) {
  if (moved == null) return null;
  const text = points(moved), none = text === "0.0"; // less than can be shown
  return el("span", { class: `moved ${none ? "" : way(moved)}` }, el("span", { "aria-hidden": "true" }, none ? "=" : moved > 0 ? "▲" : "▼"),
    none ? unseen(" unchanged") : ` ${text}`, none ? null : unseen(" points"));
}

const why = (reasons) => el("ul", { class: "why", "aria-label": "Reasons" }, ...reasons.map((reason) => el("li", { class: way(reason.log_odds) },
  el("span", { "aria-hidden": "true" }, reason.log_odds > 0 ? "▲ " : "▼ "), unseen(reason.log_odds > 0 ? "more likely: " : "less likely: "),
  `${reason.sentence}: `, el("b", {}, valued(reason)))));
