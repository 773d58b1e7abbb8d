/** The panel of the task length: how much longer they stay, and how that bends as the session goes on. */

import { mount as mountCircumstances } from "./circumstances.js";
import { el, replace } from "./dom.js";
import { card } from "./length_card.js";
import { survival } from "./survival.js";
import { many, percent, points, whole } from "./words.js";

const UNITS = { minutes: "minute", tracks: "track" };
const LEAVING = { now: "now", "by the end of the next track": "within the next track", "within 5 minutes": "within 5 minutes",
  "within 15 minutes": "within 15 minutes" };

export function mount({ asking, circumstances, about }, page, models) {
  const { session } = page;
  if (!circumstances.hasChildNodes()) mountCircumstances(circumstances, page); // nobody else asks how tracks are played
  const chooser = el("select", { id: "length-model", change: () => choose(models[chooser.selectedIndex]) }, ...models.map(({ name }) => el("option", {}, name)));
  const unit = el("select", { id: "length-unit", change: () => draw() }, ...Object.keys(UNITS).map((one) => el("option", {}, one)));
  const knows = el("input", { type: "checkbox", id: "length-before", change: () => ask() });
  const before = el("label", { for: "length-before", class: "telling" }, knows, " ", el("span", {}));
  const state = el("div", { class: "state-length" }), said = el("p", { class: "stays", role: "status" }), leaving = el("ul", { class: "leaving", "aria-labelledby": "leaving-head" });
  const chances = el("div", {}, el("p", { class: "note", id: "leaving-head" }, "Chance that they leave"), leaving);
  const picture = el("div", {}), keys = el("span", { class: "keys" }), inUnit = el("label", { for: "length-unit" }, "In ", unit);
  const figure = el("figure", {}, picture, el("figcaption", {}, keys, inUnit)), numbers = el("details", {}, el("summary", {}, "The numbers"));
  asking.append(el("section", { class: "panel", id: "length", "aria-labelledby": "length-head" },
    el("div", { class: "head" }, el("h2", { id: "length-head" }, "How long will they stay?"),
      models.length > 1 ? el("label", { for: "length-model" }, "Model ", chooser) : el("span", { class: "note" }, models[0].name)),
    el("p", { class: "meaning" }, "What is left from the end of the last play on, or from the start where nothing was heard. Play, skip or finish a track, and the curve bends."),
    before, state, el("div", { class: "staying" }, el("div", {}, said, chances), el("div", {}, figure, numbers))));
  let model, answer = null, last = null, waiting = null, later = 0, asked = "";

  session.addEventListener("change", () => { if (question().key !== asked) ask(); });
  choose(models[0]);

  function choose(one) {
    model = one;
    answer = last = null;
    replace(about, ...card(one));
    if (!page.chosen) page.choose(one); // nobody else has a catalogue
    ask();
  }

  /** The session as it stands; with the lengths of those before it, where that is wished. */
  function question() {
    const body = { ...session.standing(), ...(knows.checked && session.before.length && { earlier: session.before }) };
    return { body, key: JSON.stringify([model.name, session.heard.length ? body : { ...body, start_ms: null }]) }; // not anew with each second
  }

  async function ask() {
    waiting?.abort();
    clearTimeout(later);
    before.hidden = !session.before.length;
    before.lastChild.textContent = `As for you: it is told how long your ${many(session.before.length, "session")} before this one were (begin, end, plays and skips of each; no track)`;
    const { body, key } = question();
    asked = key;
    state.setAttribute("aria-busy", "true");
    const { signal } = (waiting = new AbortController());
    try {
      const found = await page.api.length(body, { model: model.name, signal });
      last = answer;
      answer = found;
      tell({});
    } catch (problem) {
      if (problem.name === "AbortError") return;
      answer = last = null;
      tell({ problem });
      if (problem.status === 401) page.trouble(problem, ask);
      if (problem.status === 429) later = setTimeout(ask, 1000 * Math.max(1, problem.retryAfter));
    }
  }

  function tell({ problem }) {
    state.setAttribute("aria-busy", "false");
    replace(state, problem ? el("p", { class: "problem", role: "alert" }, problem.sentences ?? String(problem)) : null,
      ...(answer?.notes ?? []).map((note) => el("p", { class: "note" }, `${note[0].toUpperCase()}${note.slice(1)}.`)));
    if (said.textContent !== words(answer)) replace(said, ...sentences(answer)); // it is read out where it changes
    const known = Object.entries(LEAVING).filter(([when]) => answer?.gone[when] != null);
    replace(leaving, ...known.map(([when, called]) => chance(called, answer.gone[when], last?.gone[when])));
    chances.hidden = !known.length;
    draw();
  }

  function draw() {
    const there = Object.keys(UNITS).filter((one) => answer?.curve[one]);
    figure.hidden = numbers.hidden = !there.length;
    if (!there.length) return;
    const one = there.includes(unit.value) ? unit.value : there[0];
    replace(picture, survival(one, { points: answer.curve[one], ...answer[one] }, last?.curve[one] ?? null));
    replace(keys, key("now", "now"), last ? key("before", "said before") : null, key("most", "with 80\u00a0%"));
    inUnit.hidden = there.length < 2;
    replace(numbers, numbers.firstChild, el("div", { class: "numbers" }, ...there.map((name) => table(name, answer.curve[name]))));
  }
}

/** 18 more minutes; with 80 % between 6 and 73. */
function sentences(answer) {
  return Object.entries(UNITS).filter(([unit]) => answer?.[unit]).map(([unit, one]) => {
    const { median, low, high } = answer[unit];
    const more = median < 0.5 ? `Less than one more ${one}` : `${whole(median)} more ${Math.round(median) === 1 ? one : unit}`;
    return el("span", {}, el("strong", {}, more), low == null ? ". " : `; with 80\u00a0% between ${whole(low)} and ${whole(high)}. `);
  });
}

const words = (answer) => sentences(answer).map((one) => one.textContent).join("");

function chance(called, p, was) {
  const moved = was == null ? null : points(p - was), bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "fill" }), was == null ? null : el("span", { class: "was" }));
  bar.querySelector(".fill").style.width = `${100 * p}%`; // set by a program, which the policy on styles allows
  if (was != null) bar.querySelector(".was").style.left = `${100 * was}%`;
  return el("li", {}, el("span", {}, called), el("strong", {}, percent(p)),
    el("span", { class: "moved" }, moved == null || moved === "0.0" ? "" : `${moved} points`), bar);
}

const key = (kind, text) => el("span", {}, el("span", { class: `key ${kind}`, "aria-hidden": "true" }), ` ${text}`);

const table = (unit, curve) => el("table", { class: "scores" }, el("caption", {}, `Still here after so many ${unit}`),
  el("thead", {}, el("tr", {}, el("th", { scope: "col" }, unit), el("th", { scope: "col", class: "number" }, "still here"))),
  el("tbody", {}, ...curve.filter(([, p]) => p >= 0.001).map(([t, p]) => el("tr", {}, el("th", { scope: "row" }, String(t)), el("td", { class: "number" }, percent(p))))));
