/** The panel of the task next-track: how the session goes on, why, and a queue that fills itself. */

import { el, replace } from "./dom.js";
import { card } from "./next_card.js";
import { proposal, queued } from "./proposals.js";

const PROPOSED = 5;
const LOW = 3; // tracks in a queue that fills itself: with fewer, the best proposal is added
const MOST_SENT = 1000; // tracks of one request, the last ones
const PAUSE_MS = 300; // of typing

export function mount({ asking, about }, page, models) {
  const { session } = page;
  const chooser = el("select", { id: "next-model", change: () => choose(models[chooser.selectedIndex]) },
    ...models.map(({ name }) => el("option", {}, name)));
  const fills = el("input", { type: "checkbox", id: "fills", change: () => { added.clear(); fill(); } });
  const title = el("input", { id: "list-title", autocomplete: "off", spellcheck: "false", maxlength: "200", placeholder: "road trip",
    input: () => { clearTimeout(typing); typing = setTimeout(ask, PAUSE_MS); } });
  const state = el("div", { class: "state-next" }), list = el("ol", { class: "proposals", "aria-labelledby": "next-head" });
  asking.append(el("section", { class: "panel", id: "next-track", "aria-labelledby": "next-head" },
    el("div", { class: "head" }, el("h2", { id: "next-head" }, "What plays next?"),
      models.length > 1 ? el("label", { for: "next-model" }, "Model ", chooser) : el("span", { class: "note" }, models[0].name)),
    el("p", { class: "meaning" }, "Tracks that go on with all that was heard and is queued, in that order, and are none of these."),
    el("div", { class: "wishes" }, el("label", { for: "list-title" }, el("span", {}, "The list is called"), title),
      el("label", { for: "fills" }, fills, " The queue fills itself")), state, list));
  const added = new Set(); // by itself: what somebody takes out again is not put in again
  let model, proposals = [], waiting = null, typing = 0, later = 0, asked = "";

  session.addEventListener("change", () => { if (question().key !== asked) ask(); else fill(); });
  choose(models[0]);

  function choose(one) {
    model = one;
    replace(about, ...card(one));
    if (!page.chosen) page.choose(one); // nobody else has a catalogue
    ask();
  }

  /** All that was heard and is queued, by ids: of what this bundle does not know it says so. */
  function question() {
    const tracks = [...session.heard, ...session.queue].map(({ track }) => track).filter(Boolean).slice(-MOST_SENT);
    const body = { tracks: tracks.map((track) => ({ track })), ...(title.value.trim() && { title: title.value.trim() }), k: PROPOSED };
    return { body, key: JSON.stringify([model.name, body]), isNothing: !tracks.length && !body.title };
  }

  async function ask() {
    waiting?.abort();
    clearTimeout(later);
    clearTimeout(typing);
    const { body, key, isNothing } = question();
    asked = key;
    if (isNothing) { tell({ missing: "Queue a track, or say what the list is called." }); return; }
    state.setAttribute("aria-busy", "true");
    const { signal } = (waiting = new AbortController());
    try {
      tell(await page.api.nextTrack(body, { model: model.name, signal }));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      tell({ problem });
      if (problem.status === 401) page.trouble(problem, ask);
      if (problem.status === 429) later = setTimeout(ask, 1000 * Math.max(1, problem.retryAfter));
    }
  }

  function tell({ tracks = [], notes = [], missing, problem }) {
    proposals = tracks;
    state.setAttribute("aria-busy", "false");
    replace(state, problem ? el("p", { class: "problem", role: "alert" }, problem.sentences ?? String(problem)) : null,
      missing ? el("p", { class: "missing" }, missing) : null,
      ...notes.map((note) => el("p", { class: "note" }, `${note[0].toUpperCase()}${note.slice(1)}.`)));
    const place = [...list.querySelectorAll("button")].indexOf(document.activeElement);
    replace(list, ...tracks.map((track) => proposal(track, page)));
    const buttons = list.querySelectorAll("button");
    if (place >= 0) (buttons[Math.min(place, buttons.length - 1)] ?? title).focus(); // the keyboard stays where it was
    fill();
  }

  /** The best proposal goes to the end of a queue that runs low; the proposals after it are asked for, and so on. */
  function fill() {
    if (!fills.checked || session.queue.length >= LOW || !proposals.length || question().key !== asked) return;
    const best = proposals.find(({ track }) => !added.has(track));
    proposals = [];
    if (!best) return;
    added.add(best.track);
    page.say(`The queue goes on with ${best.title ?? best.track}`);
    session.fill(queued(best));
  }
}
