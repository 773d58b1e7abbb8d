/** The session being built: what was heard, what is queued, what is on; and what of it a model is asked. */

import { begun, content, ended, knownAtStart } from "./plays.js";

const UNDONE = 100; // steps that can be taken back
const MOST_ASKED = 50; // candidates of one request; more are queued, and asked when they come nearer

/**
 * `queue` are entries {id, track, artist, album, title}, with `was` (the real play), `place` (from 0) and `by` (the artist as
 * written) where they come from somebody's export; `heard` are the same with their `play`. Lists and entries are replaced,
 * never changed: a step back is the old list.
 */
export class Session extends EventTarget {
  heard = [];
  queue = [];
  on = null; // how the first of the queue began, while it is on
  before = []; // how long the sessions before a real one were
  given = { shuffle: false, context: "", platform: "", after: "20" };
  predicted = new Map(); // entry's id → the probability that was last said of it
  #steps = [];
  #n = 0;

  add(...tracks) {
    this.#step({ queue: [...this.queue, ...tracks.map((track) => this.#entry(track))] });
  }

  /** What a queue that fills itself adds: no step of anybody's, so that a step back goes behind it. */
  fill(track) {
    this.#become({ queue: [...this.queue, this.#entry(track)] });
  }

  remove(id) {
    this.#step({ queue: this.queue.filter((entry) => entry.id !== id), on: this.queue[0]?.id === id ? null : this.on });
  }

  /** Up (-1) or down (1) by one place; what is on stays first. */
  move(id, by) {
    const from = this.queue.findIndex((entry) => entry.id === id);
    if (!this.canMove(id, by)) return;
    const queue = [...this.queue];
    [queue[from], queue[from + by]] = [queue[from + by], queue[from]];
    this.#step({ queue });
  }

  canMove(id, by) {
    const from = this.queue.findIndex((entry) => entry.id === id), first = this.on ? 1 : 0;
    return from >= first && from + by >= first && from + by < this.queue.length;
  }

  /** The first of the queue starts. */
  play() {
    if (this.queue.length && !this.on) this.#step({ on: this.#begun() });
  }

  /** It ends: "skip", "finish", or "was" as it really did. */
  end(how) {
    const [first, ...queue] = this.queue;
    if (!first || (how === "was" && !first.was)) return;
    const play = how === "was" ? first.was : ended(first, this.on ?? this.#begun(), how === "skip", this.given);
    this.#step({ heard: [...this.heard, { ...first, play }], queue, on: null });
  }

  /** A session that somebody really heard: its first plays are heard, the others queued. */
  load(tracks, nHeard, before = []) {
    const all = tracks.map((track, place) => this.#entry({ ...track, place }));
    const last = tracks[Math.max(0, nHeard - 1)].was;
    this.given = { ...this.given, shuffle: Boolean(last.shuffle), platform: last.platform ?? "" };
    this.#step({ heard: all.slice(0, nHeard).map((entry) => ({ ...entry, play: entry.was })), queue: all.slice(nHeard), on: null, before });
  }

  clear() {
    this.#step({ heard: [], queue: [], on: null, before: [] });
  }

  undo() {
    const before = this.#steps.pop();
    if (before) this.#become(before);
  }

  get canUndo() {
    return this.#steps.length > 0;
  }

  /** How the coming plays start is chosen anew. */
  choose(given) {
    this.given = { ...this.given, ...given };
    this.#become({});
  }

  /** Whether all so far went as it really did, so that the next start is known, too. */
  get isAsItWas() {
    return this.queue[0]?.place === this.heard.length && this.heard.every((entry) => entry.play === entry.was);
  }

  /** Each supposed to play next. Returns the body of a request and the entries asked about, or null. */
  candidates() {
    const entries = this.queue.slice(0, MOST_ASKED), began = this.on ?? this.#begun();
    const asked = entries.map((entry) => ({ ...content(entry), ...began }));
    return entries.length ? { body: { plays: this.#plays(this.heard), candidates: asked }, entries } : null;
  }

  /** All play in this order: asked once, when half of the plays (rounded down) have been heard, of all that follow then. */
  inOrder() {
    const half = this.half;
    if (!this.queue.length || this.heard.length < half) return null;
    const entries = [...this.heard.slice(half), ...this.queue];
    return { body: { plays: this.#plays(this.heard.slice(0, half)), queue: entries.map(content), length: half + entries.length }, entries };
  }

  /** As it stands, for who asks about no track: what was heard, and whether another play is on; before the first, how it begins. */
  standing() {
    if (this.heard.length) return { plays: this.#plays(this.heard), ...(this.on && { playing: true }) };
    const { start_ms, context } = this.on ?? this.#begun();
    return { plays: [], ...(start_ms != null && { start_ms }), ...(context && { context }) };
  }

  get half() {
    return Math.floor((this.heard.length + this.queue.length) / 2);
  }

  #plays = (entries) => entries.map((entry) => entry.play);

  #begun() {
    const was = this.queue[0]?.was;
    return was && this.isAsItWas ? knownAtStart(was) : begun(this.#plays(this.heard), this.given);
  }

  #entry(track) {
    return { ...track, id: ++this.#n };
  }

  #step(changed) {
    const { heard, queue, on, before } = this;
    this.#steps = [...this.#steps, { heard, queue, on, before }].slice(-UNDONE);
    this.#become(changed);
  }

  #become(changed) {
    Object.assign(this, changed);
    this.dispatchEvent(new Event("change"));
  }
}
