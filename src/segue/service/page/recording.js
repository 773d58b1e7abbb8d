/** The panel of a file of sound: what is heard in it, and what could play after it. */

import { el, named, replace, unseen } from "./dom.js";
import { proposal } from "./proposals.js";
import { clock, many, number } from "./words.js";

const PROPOSED = 20;
const ENDINGS = ".wav,.flac,.ogg,.oga,.opus,.mp3,.aif,.aiff,audio/*";
const TONES = ["C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B"];
const LARGE = 50e6; // bytes, of which a service may want fewer

// what is drawn as a bar: from where to where, and how it is said; a descriptor that is not here is a share
const SCALES = {
  tempo: [40, 220, (value) => String(Math.round(value)), " BPM"],
  loudness: [-40, 0, (value) => number(value, 1), " dB"],
};
const SHARE = [0, 1, (value) => number(value, 2), ""];
const MODE = ["minor", "major"];
const CLASSES = {
  key: (value, { mode }) => `${TONES[value % 12]} ${MODE[mode?.value] ?? ""}`.trim(),
  mode: (value) => MODE[value],
  time_signature: (value) => `${value} beats in a bar`,
};

export function mount({ asking }, page, models) {
  let waiting = null;
  const files = el("input", { type: "file", id: "recording-file", accept: ENDINGS, "aria-describedby": "recording-how", change: () => hear(files.files[0]) });
  const state = el("p", { class: "note state-heard", role: "status" }), said = el("div", { class: "heard-in" });
  const list = el("ol", { class: "proposals", "aria-labelledby": "recording-head" });
  const panel = el("section", { class: "panel", id: "recording", "aria-labelledby": "recording-head" },
    el("h2", { id: "recording-head" }, "What follows a file?"),
    el("p", { class: "meaning", id: "recording-how" }, "Drop a file of sound here, or choose one: WAV, FLAC, Ogg, MP3 or AIFF. It is sent to the service, which hears its first five minutes and keeps nothing of it."),
    el("label", { class: "drop", for: "recording-file" }, el("span", {}, "File of sound"), files), state, said, list);
  asking.append(panel);

  panel.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    panel.classList.add("over");
  });
  panel.addEventListener("dragleave", (event) => { if (!panel.contains(event.relatedTarget)) panel.classList.remove("over"); });
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    panel.classList.remove("over");
    hear(event.dataTransfer.files[0]);
  });

  async function hear(file) {
    if (!file) return;
    waiting?.abort();
    const { signal } = (waiting = new AbortController());
    replace(said);
    replace(list);
    replace(state, "Listening to ", named(file.name), " …");
    panel.setAttribute("aria-busy", "true");
    try {
      tell(await page.api.like(file, { model: models[0].name, k: PROPOSED, signal }));
    } catch (problem) {
      if (problem.name === "AbortError") return; // another file is heard
      if (problem.status === undefined && file.size > LARGE) problem.remedy = `a file of ${Math.round(file.size / 1e6)} MB may be larger than it takes: choose an excerpt, or an MP3`;
      if (problem.status === 401) page.trouble(problem, () => hear(file));
      replace(state);
      replace(said, el("p", { class: "problem", role: "alert" }, problem.sentences ?? String(problem)));
    }
    panel.setAttribute("aria-busy", "false");
    files.value = ""; // the same file may be chosen again
  }

  function tell({ file, notes, tracks }) {
    const length = file.seconds == null ? null : clock(1000 * file.seconds);
    replace(state, named(file.name), [length, file.kind === "music" ? "music" : null].filter(Boolean).map((one) => `, ${one}`).join(""), `: ${many(tracks.length, "track")} ${tracks.length === 1 ? "sounds" : "sound"} most like it.`);
    const all = file.descriptors; // a key says its mode itself
    const rows = Object.entries(all).filter(([name, { value }]) => value != null && !(name === "mode" && all.key));
    replace(said, file.warning ? el("p", { class: "missing" }, sentence(file.warning)) : null,
      rows.length ? el("ul", { class: "descriptors", "aria-label": "What is heard in it" }, ...rows.map(([name, one]) => descriptor(name, one, all))) : null,
      ...[...file.notes, ...notes].map((note) => el("p", { class: "note" }, sentence(note))));
    replace(list, ...tracks.map((track) => proposal(track, page)));
  }
}

/** Its name, its number with the bounds it lies between, and a bar of both. */
function descriptor(name, { value, low, high }, all) {
  const label = el("span", { class: "of" }, name.replaceAll("_", " "));
  if (CLASSES[name]) return el("li", { "data-name": name }, label, el("strong", {}, CLASSES[name](value, all)));
  const [from, to, shown, unit] = SCALES[name] ?? SHARE, at = (x) => 100 * Math.min(1, Math.max(0, (x - from) / (to - from)));
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "fill" }), low == null ? null : el("span", { class: "between" }));
  bar.querySelector(".fill").style.width = `${at(value)}%`; // set by a program, which the policy on styles allows
  if (low != null) Object.assign(bar.querySelector(".between").style, { left: `${at(low)}%`, width: `${at(high) - at(low)}%` });
  return el("li", { "data-name": name }, label, el("strong", {}, `${shown(value)}${unit}`),
    el("span", { class: "bounds" }, ...(low == null ? [] : [unseen("between "), `${shown(low)} to ${shown(high)}`])), bar);
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
