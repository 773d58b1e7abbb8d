/** What becomes of a track at a click: the play that a player would have logged. */

export const LENGTH_MS = 200_000; // of a track heard out; the catalogue says none
const BETWEEN_MS = 1_000; // from the end of a play to the start of the next
const STARTED_BY = new Set(["trackdone", "fwdbtn", "backbtn"]); // an end that starts the next play, too

/** When a skip comes: the label, and how long was heard. */
export const SKIPS = { "3": "after 3 s", "20": "after 20 s", "90": "after 90 s" };
export const CONTEXTS = ["user_collection", "catalog", "editorial_playlist", "personalized_playlist", "charts", "radio"];
export const PLATFORMS = ["android", "ios", "windows", "osx", "linux", "web_player", "cast"];

/** A play's track, by which it is known: of what is not said nothing is sent. */
export const content = ({ track, artist, artist_id: id, album }) => said({ track, artist: id ?? artist, album });

/** How a play starts after those heard: all that is known of it then, but for its track. */
export function begun(heard, given, now = Date.now()) {
  const last = heard.at(-1);
  const after = last && {
    context_switch: given.context && last.context ? given.context !== last.context : null,
    no_pause: true, short_pause: false, long_pause: false,
    reason_start: STARTED_BY.has(last.reason_end) ? last.reason_end : "clickrow",
  };
  const start_ms = last ? (last.end_ms == null ? null : last.end_ms + BETWEEN_MS) : Math.round(now / 1000) * 1000;
  return said({ start_ms, shuffle: given.shuffle, context: given.context, platform: given.platform, reason_start: "clickrow", ...after });
}

/** The whole play, of a track that began so and was skipped or heard out. */
export function ended(track, began, skipped, given) {
  const played_ms = skipped ? 1000 * Number(given.after) : LENGTH_MS;
  return said({
    ...content(track), ...began, end_ms: began.start_ms == null ? null : began.start_ms + played_ms, played_ms, skipped,
    skip_1: skipped && played_ms <= 5_000, skip_3: skipped, not_skipped: !skipped, reason_end: skipped ? "fwdbtn" : "trackdone",
  });
}

const AT_START = ["start_ms", "shuffle", "offline", "platform", "reason_start"];

/** What was known when a real play began. */
export const knownAtStart = (play) => said(Object.fromEntries(AT_START.map((name) => [name, play[name]])));

function said(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value != null && value !== ""));
}
