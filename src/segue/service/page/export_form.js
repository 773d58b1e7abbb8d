/** Choosing a session of one's own export: the files stay in the browser, only the chosen session is ever sent. */

import { el, isolated, named, replace } from "./dom.js";
import { lasted, read, sessions } from "./exports.js";
import { content } from "./plays.js";
import { many, moment, month } from "./words.js";

const BEFORE = 64; // sessions before the one that is opened, of which it may be said how long they were

export function mount(place, page) {
  const files = el("input", { type: "file", id: "export-files", multiple: true, accept: ".json,application/json", change: () => readAll() });
  const state = el("p", { class: "note", role: "status" });
  const which = el("select", { id: "export-session", change: () => measure() });
  const opens = el("p", { class: "note" });
  const heard = el("input", { type: "range", id: "export-heard", min: "0", input: () => tellHeard() }), shown = el("output", { for: "export-heard" });
  const choice = el("form", { class: "choice", hidden: true, submit: (event) => { event.preventDefault(); open(); } },
    el("label", {}, el("span", {}, "Session"), which), opens, el("label", {}, el("span", {}, "Heard so far"), heard, shown), el("button", {}, "Open it"));
  place.append(el("details", { class: "fold" }, el("summary", {}, el("h2", {}, "A session of your own")),
    el("p", { class: "note", id: "export-how" }, "Choose the files of the export that Spotify sent you (StreamingHistory…, endsong… or Streaming_History_Audio…json). They are read in this browser and go nowhere; only the plays of the one session you open are sent to the service, to be scored (and how long those before it were, where a panel asks and you say so), and it keeps none of them."),
    el("label", { class: "files", for: "export-files" }, el("span", {}, "Files of an export"), files), state, choice));
  files.setAttribute("aria-describedby", "export-how");
  let found = [], all = [];

  async function readAll() {
    const plays = [], troubles = [];
    let nAside = 0;
    choice.hidden = true;
    state.textContent = "Reading …";
    for (const file of files.files) {
      try {
        const its = read(await file.text(), page.chosen?.card.skip_rule);
        plays.push(...its.plays);
        nAside += its.nAside;
      } catch (cause) {
        troubles.push(`${isolated(file.name)}: ${cause.message}.`);
      }
    }
    all = sessions(plays);
    const n = all.reduce((sum, one) => sum + one.length, 0); // none twice, where files overlap
    found = all.filter((one) => one.length > 1).reverse();
    const aside = nAside ? ` ${many(nAside, "record")} set aside: podcasts, or not as the format promises.` : "";
    state.textContent = [n ? `${many(n, "play")} in ${many(found.length, "session")} of two plays or more.${aside}`
      : `No play in ${many(files.files.length, "file")}.`, ...troubles].join(" ");
    choice.hidden = !found.length;
    if (found.length) list();
  }

  function list() {
    const months = new Map();
    found.forEach((session, i) => {
      const named = month(session[0].play.end_ms);
      if (!months.has(named)) months.set(named, el("optgroup", { label: named }));
      const nSkipped = session.filter(({ play }) => play.skipped).length;
      months.get(named).append(el("option", { value: i }, `${moment(session[0].guess_ms)} · ${many(session.length, "play")}, ${nSkipped} skipped · ${isolated(session[0].title)}`));
    });
    replace(which, ...months.values());
    measure();
  }

  function measure() {
    const { length, 0: first } = found[which.value];
    replace(opens, "Opens with ", named(first.title), first.artist ? " by " : null, first.artist ? named(first.artist) : null);
    heard.max = length - 1;
    heard.value = Math.floor(length / 2);
    tellHeard();
  }

  function tellHeard() {
    shown.textContent = `${heard.value} of ${found[which.value].length} plays`;
    heard.setAttribute("aria-valuetext", shown.textContent);
  }

  function open() {
    const session = found[which.value];
    const entries = session.map(({ play, title, artist }) => ({ ...content(play), title, by: artist, was: play })), at = all.indexOf(session);
    page.session.load(entries, Number(heard.value), all.slice(Math.max(0, at - BEFORE), at).map(lasted));
    page.say(`Opened: ${heard.value} plays heard, ${session.length - heard.value} queued`);
    document.getElementById("queue").focus();
  }
}
