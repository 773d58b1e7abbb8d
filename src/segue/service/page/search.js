/** Finding tracks in the catalogue of a bundle; and naming them, where it has none. */

import { button, el, named, replace, unseen } from "./dom.js";
import { many } from "./words.js";

const HOW = "Enter queues the first; the arrow keys walk the list.";
const PAUSE_MS = 200; // of typing, before the service is asked
const AT_ONCE = 8;

export function mount(place, page) {
  const { session } = page;
  const text = el("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false", placeholder: "Title or artist",
    "aria-describedby": "search-how" });
  const how = el("p", { class: "note", id: "search-how" });
  const found = el("ul", { class: "found", "aria-label": "Tracks found" });
  const some = button(`Queue ${AT_ONCE} at random`, () => { session.add(...drawn(tracks, AT_ONCE)); page.say(`${AT_ONCE} tracks queued`); }, { class: "quiet" });
  const search = el("form", { role: "search", submit: (event) => { event.preventDefault(); queueFirst(); } },
    el("label", { class: "unseen", for: "search" }, "Search the catalogue"), text);
  const byName = naming(page);
  place.append(search, how, found, some, byName);

  let tracks = [], answered = "", asking = null, waiting = 0;
  text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, PAUSE_MS); });
  text.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); found.querySelector("button")?.focus(); }
  });
  found.addEventListener("keydown", stepping(found, text));
  found.addEventListener("focusin", ({ target }) => {
    for (const one of found.querySelectorAll("button")) one.tabIndex = one === target ? 0 : -1;
  });
  page.addEventListener("model", () => ask());
  if (page.chosen) ask();

  async function ask() {
    clearTimeout(waiting);
    asking?.abort();
    asking = new AbortController();
    const q = text.value.trim();
    try {
      tracks = await page.api.tracks(q, { model: page.chosen?.name, signal: asking.signal });
      answered = q;
      show(q);
    } catch (problem) {
      if (problem.name !== "AbortError") page.trouble(problem, ask);
    }
  }

  function show(q) {
    const hasNames = Boolean(q || tracks.length);
    search.hidden = how.hidden = !hasNames;
    if (!hasNames) byName.open = true;
    replace(found, ...tracks.map((track) => el("li", {}, button("", () => queueOne(track)))));
    [...found.querySelectorAll("button")].forEach((one, i) => {
      one.append(...told(tracks[i]));
      one.tabIndex = i ? -1 : 0; // one stop for the tabulator, however many are found
    });
    some.hidden = tracks.length < AT_ONCE;
    if (q) page.say(tracks.length ? `${many(tracks.length, "track")} found` : "Nothing found");
    how.textContent = q && !tracks.length ? "Nothing found: other words, or name it below." : HOW;
  }

  function queueOne(track) {
    session.add(track);
    page.say(`Queued ${track.title ?? track.track}`);
  }

  async function queueFirst() {
    if (answered !== text.value.trim()) await ask(); // faster fingers than the pause
    if (!tracks.length) return;
    queueOne(tracks[0]);
    text.select();
  }
}

const told = ({ title, artist, track }) => [
  unseen("Queue "), el("span", { class: "names" }, named(title ?? track, { class: "title" }), artist ? named(artist, { class: "artist" }) : null),
  el("span", { class: "plus", "aria-hidden": "true" }, "+"),
];

/** Arrows walk a list; up from its first goes back to where one came from. */
const stepping = (list, before) => (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const all = [...list.querySelectorAll("button")], to = all.indexOf(document.activeElement) + by;
  (to < 0 ? before : all[Math.min(to, all.length - 1)]).focus();
};

/** A track that the catalogue does not name, by its id. */
function naming(page) {
  const track = el("input", { id: "track-id", autocomplete: "off", spellcheck: "false", required: true, maxlength: "1000" });
  const artist = el("input", { id: "track-artist", autocomplete: "off", spellcheck: "false", maxlength: "1000" });
  const add = (event) => {
    event.preventDefault();
    if (!track.value.trim()) return;
    page.session.add({ track: track.value.trim(), ...(artist.value.trim() && { artist: artist.value.trim() }) });
    page.say(`Queued ${track.value.trim()}`);
    track.value = "";
    track.focus();
  };
  return el("details", { class: "naming" }, el("summary", {}, "By its id"), el("form", { submit: add },
    el("label", {}, el("span", {}, "Track"), track), el("label", {}, el("span", {}, "Artist, if known"), artist), el("button", {}, "Queue it")));
}

/** Some of them at random, no two alike. */
function drawn(tracks, n) {
  const left = [...tracks];
  return Array.from({ length: Math.min(n, left.length) }, () => left.splice(Math.floor(Math.random() * left.length), 1)[0]);
}
