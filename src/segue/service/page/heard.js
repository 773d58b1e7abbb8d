/** What was heard of the session, what came of it, and what had been said before. */

import { el, named, replace, unseen } from "./dom.js";
import { clock, many, number, percent } from "./words.js";

const SHOWN = 12; // the last ones; of a long session the others are told in number

export function mount(place, { session }) {
  const list = el("ol", { class: "heard" }), before = el("p", { class: "note" }), score = el("p", { class: "note" });
  place.append(before, list, score);
  const draw = () => {
    const hidden = Math.max(0, session.heard.length - SHOWN);
    place.classList.toggle("empty", !session.heard.length);
    before.textContent = session.heard.length ? (hidden ? `${many(hidden, "play")} before these.` : "") : "Nothing yet: the session starts with the first track that is played, skipped or finished.";
    before.hidden = !before.textContent;
    list.start = hidden + 1;
    replace(list, ...session.heard.slice(hidden).map((entry) => chip(entry, session.predicted.get(entry.id))));
    score.textContent = scored(session);
    score.hidden = !score.textContent;
  };
  session.addEventListener("change", draw);
  draw();
}

function chip({ title, track, artist, by = artist, play }, said) {
  const [mark, what, kind] = play.skipped == null ? ["·", "not known whether skipped", "unknown"]
    : play.skipped ? ["»", "skipped", "skipped"] : ["✓", "heard", "kept"];
  return el("li", { class: kind, title: [title ?? track, by].filter(Boolean).join(" – ") },
    el("span", { class: "mark", "aria-hidden": "true" }, mark), named(title ?? track ?? "no name", { class: "title" }),
    el("span", { class: "came" }, unseen(`${what} `), play.played_ms == null ? "" : clock(play.played_ms),
      said == null ? "" : ` · said ${percent(said)}`));
}

/** The model's marks for this very session; a coin would get 0.693. */
function scored({ heard, predicted }) {
  const known = heard.filter(({ id, play }) => predicted.has(id) && play.skipped != null);
  if (!known.length) return "";
  const p = known.map(({ id }) => predicted.get(id)), y = known.map(({ play }) => Boolean(play.skipped));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const loss = mean(p.map((one, i) => -Math.log(Math.max(1e-12, y[i] ? one : 1 - one))));
  return `Said here: ${percent(mean(p))} on average; skipped: ${y.filter(Boolean).length} of ${many(y.length, "play")}; log-loss ${number(loss, 2)} (a coin: 0.69).`;
}
