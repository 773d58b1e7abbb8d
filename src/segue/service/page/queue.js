/** The queue: what plays next and what becomes of it, and a row for each track, with room for what panels say of it. */

import { button, el, enable, named, replace, unseen } from "./dom.js";
import { many } from "./words.js";

const SHOWN = 50;

/** Where the panel of a task says something of a queued track; null where its row is not shown. */
export function slot(id, task) {
  const slots = document.querySelector(`#entry-${id} .slots`);
  if (!slots) return null;
  const own = [...slots.children].find((one) => one.dataset.task === task);
  return own ?? slots.appendChild(el("div", { "data-task": task, class: task }));
}

export function mount(place, page) {
  const { session } = page;
  const next = el("p", { class: "next", id: "up-next" });
  const press = (text, mark, act, kind) => button("", act, { class: kind, "aria-describedby": "up-next" });
  const controls = {
    play: [press("Play", "▶", () => session.play(), "play"), "▶", "Play"],
    skip: [press("Skip", "»", () => session.end("skip"), "skip-it"), "»", "Skip"],
    finish: [press("Finish", "✓", () => session.end("finish"), "finish"), "✓", "Finish"],
    was: [press("As it was", "↻", () => session.end("was"), "was"), "↻", "As it was"],
  };
  for (const [one, mark, text] of Object.values(controls)) one.append(el("span", { "aria-hidden": "true" }, `${mark} `), text);
  const { play: [play], skip: [skip], finish: [finish], was: [was] } = controls;
  const undo = button("Undo", () => session.undo(), { class: "quiet" }), clear = button("Clear", () => session.clear(), { class: "quiet" });
  const list = el("ol", { class: "queued", "aria-labelledby": "queue-head" }), more = el("p", { class: "note" });
  place.append(el("div", { class: "deck" }, next, el("div", { class: "buttons" }, play, skip, finish, was, el("span", { class: "gap" }), undo, clear)), list, more);
  const rows = new Map();

  function draw() {
    const { queue, on } = session, shown = queue.slice(0, SHOWN), first = queue[0];
    const focused = document.activeElement;
    for (const [id, row] of rows) if (!shown.some((entry) => entry.id === id)) { row.remove(); rows.delete(id); }
    shown.forEach((entry, i) => {
      if (!rows.has(entry.id)) rows.set(entry.id, rowOf(entry, page));
      const row = rows.get(entry.id);
      if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
      row.classList.toggle("on", Boolean(on) && i === 0);
      const [up, down] = row.querySelectorAll(".tools button");
      enable(up, session.canMove(entry.id, -1));
      enable(down, session.canMove(entry.id, 1));
    });
    if (list.contains(focused) && focused !== document.activeElement) focused.focus(); // a row that moved has lost it
    replace(next, el("span", { class: "when" }, first ? (on ? "On now" : "Up next") : "Nothing queued"), " ",
      first ? named(first.title ?? first.track, { class: "title" }) : "Search, name a track, or open a session of your own.");
    for (const [one] of Object.values(controls)) enable(one, first);
    enable(play, first && !on);
    was.hidden = !session.queue.some((entry) => entry.was);
    enable(was, first?.was);
    enable(undo, session.canUndo);
    enable(clear, session.heard.length + queue.length);
    more.textContent = queue.length > SHOWN ? `${many(queue.length - SHOWN, "more track")} after these.` : "";
    more.hidden = !more.textContent;
  }
  session.addEventListener("change", draw);
  draw();
}

function rowOf(entry, page) {
  const { id, title, track, artist, by = artist } = entry, { session } = page;
  const name = title ?? track ?? "no name";
  const tool = (mark, what, act, kind) => button("", act, { title: what, class: kind });
  const up = tool("↑", "Earlier", () => session.move(id, -1)), down = tool("↓", "Later", () => session.move(id, 1));
  const off = tool("✕", "Remove", () => remove(entry, page));
  for (const [one, mark, what] of [[up, "↑", "Earlier: "], [down, "↓", "Later: "], [off, "✕", "Remove: "]]) {
    one.append(el("span", { "aria-hidden": "true" }, mark), unseen(what), named(name, { class: "unseen" }));
  }
  return el("li", { id: `entry-${id}` },
    el("div", { class: "what", title: [name, by].filter(Boolean).join(" – ") }, named(name, { class: "title" }), by ? named(by, { class: "artist" }) : null),
    el("div", { class: "slots" }), el("div", { class: "tools" }, up, down, off));
}

/** The focus goes to the row that takes the place, else to where tracks are found. */
function remove({ id }, { session, say }) {
  const place = session.queue.findIndex((entry) => entry.id === id);
  session.remove(id);
  const heir = session.queue[Math.min(place, session.queue.length - 1)];
  const to = heir ? document.querySelector(`#entry-${heir.id} .tools button:last-child`) : null;
  (to ?? document.getElementById("queue")).focus();
}
