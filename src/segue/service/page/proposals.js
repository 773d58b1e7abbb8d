/** A row for a track that is proposed: what it is, why, and a button that queues it. */

import { button, el, enable, named } from "./dom.js";

export function proposal(track, page) {
  const name = track.title ?? track.track;
  const add = button("", () => {
    enable(add, false); // it is not queued twice
    page.say(`Queued ${name}`);
    page.session.add(queued(track));
  }, { class: "add" });
  add.append(el("span", { "aria-hidden": "true" }, "+ "), "Queue", named(` ${name}`, { class: "unseen" }));
  return el("li", { "data-track": track.track }, el("div", { class: "what" }, named(name, { class: "title" }),
    track.artist ? named(track.artist, { class: "artist" }) : null), why(track.reasons), add);
}

/** What the session keeps of it. */
export const queued = ({ track, title, artist }) => ({ track, ...(title && { title }), ...(artist && { artist }) });

const why = (reasons) => el("ul", { class: "why", "aria-label": "Reasons" }, ...reasons.map((reason) => el("li", {}, named(reason))));
