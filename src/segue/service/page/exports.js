/**
 * One's own export from Spotify, read here as `segue.datasets` reads it: the extended streaming history (endsong,
 * Streaming_History_Audio) and the account data (StreamingHistory). Nothing of this file knows the network.
 */

const BRIEF_MS = 30_000, LONGEST_MS = 604_800_000, LATEST_MS = 4_102_444_800_000, GAP_MS = 1_800_000;
const REASONS_UNKNOWN = new Set(["", "unknown"]);

/** The plays of a file: {play, title, artist, guess_ms}, and in number what was set aside. */
export function read(text, rule) {
  let records;
  try {
    records = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    throw new Error("it is no whole JSON: it may be cut short, download it again");
  }
  if (!Array.isArray(records)) throw new Error("it is no list of plays: choose the files of your streaming history");
  const plays = [];
  let nAside = 0;
  for (const record of records) {
    const play = record?.endTime !== undefined ? ofAccount(record, rule) : record?.ts !== undefined ? ofHistory(record, rule) : null;
    if (play) plays.push(play); else nAside++;
  }
  return { plays, nAside };
}

/** A record of the extended history; null for podcasts and what is not as the format promises. */
function ofHistory(record, rule) {
  const { ts, spotify_track_uri: track, ms_played: played_ms, master_metadata_track_name: title } = record;
  const end_ms = time(ts), artist = record.master_metadata_album_artist_name, album = record.master_metadata_album_album_name;
  if (!areWhole(track, title, artist, album) || !text(track) || end_ms === null || !isTime(played_ms)) return null;
  const play = known({
    track, artist: text(artist), album: text(artist) && text(album) ? `${album} · ${artist}` : null,
    start_ms: recorded(record.offline_timestamp, end_ms), end_ms, played_ms,
    shuffle: flag(record.shuffle), offline: flag(record.offline), platform: platform(record.platform),
    reason_start: reason(record.reason_start), reason_end: reason(record.reason_end), skipped: skipped(record, rule),
  });
  return { play, title: text(title) ?? track, artist: text(artist), guess_ms: end_ms - played_ms,
    told: JSON.stringify([ts, track, played_ms, record.reason_start, record.reason_end]) };
}

/** A record of the account data: ended in this minute; names are all that tells tracks apart. */
function ofAccount({ endTime, artistName, trackName, msPlayed }, rule) {
  const minute = /^\d{4}-\d\d-\d\d \d\d:\d\d$/.test(endTime) ? time(`${endTime.replace(" ", "T")}:00Z`) : null;
  if (minute === null || !isTime(msPlayed) || !areWhole(artistName, trackName) || !text(artistName)?.trim() || !text(trackName)?.trim()) return null;
  const artist = key(artistName) === "unknown artist" ? null : key(artistName);
  const track = artist === null || key(trackName) === "unknown track" ? null : `${artist}\t${key(trackName)}`;
  const end_ms = minute + 59_000; // known when its minute is over
  const play = known({ track, artist, end_ms, played_ms: msPlayed, skipped: rule === "none" ? null : msPlayed < BRIEF_MS });
  return { play, title: trackName.trim(), artist: artistName.trim(), guess_ms: end_ms - msPlayed,
    told: JSON.stringify([endTime, msPlayed, artistName, trackName]) };
}

/** Plays in the order of their ends, cut where more than half an hour passes without music (`segue.sessions.cut`). */
export function sessions(plays) {
  const seen = new Set();
  const once = plays.filter(({ told }) => !seen.has(told) && seen.add(told));
  const rank = ({ play, guess_ms }) => [play.end_ms, guess_ms, play.start_ms ?? Infinity];
  const order = once.map((one, row) => [...rank(one), one.play.track ?? "", row]);
  const inOrder = order.sort((a, b) => { const i = a.findIndex((value, k) => value !== b[k]); return a[i] < b[i] ? -1 : 1; }).map((ranked) => once[ranked.at(-1)]);
  const found = [];
  let quietSince = -Infinity;
  for (const one of inOrder) {
    const began = Math.min(one.play.start_ms ?? one.guess_ms, one.play.end_ms);
    if (began - quietSince > GAP_MS) found.push([]);
    found.at(-1).push(one);
    quietSince = Math.max(quietSince, one.play.end_ms);
  }
  return found;
}

/** How long a session was, as `segue.features.ended` counts it. */
export function lasted(session) {
  const known = session.every(({ play }) => play.skipped != null);
  return { start_ms: session[0].play.start_ms ?? session[0].guess_ms, end_ms: Math.max(...session.map(({ play }) => play.end_ms)), n_plays: session.length,
    ...(known && { n_skipped: session.filter(({ play }) => play.skipped).length }) };
}

/** The label by a named rule, as `spotify_history.skipped` has it; a rule of another source: its default. */
function skipped(record, rule) {
  const why = reason(record.reason_end), flagged = flag(record.skipped), isBrief = record.ms_played < BRIEF_MS;
  if (rule === "under-30s") return isBrief;
  if (rule === "flagged") return flagged;
  if (rule === "fwdbtn") return why === null ? null : why === "fwdbtn";
  return why === null && flagged === null ? null : why === "fwdbtn" || (flagged === true && isBrief);
}

/** The start that the player recorded, in seconds or milliseconds; an hour after its own end is no start. */
function recorded(stamp, end) {
  if (typeof stamp !== "number" || !stamp) return null;
  const ms = Math.trunc(stamp < 100_000_000_000 ? stamp * 1000 : stamp);
  return ms > 0 && ms <= end + 3_600_000 ? ms : null;
}

function time(said) {
  if (typeof said !== "string" || !/^\d{4}-\d\d-\d\d/.test(said.trim())) return null;
  const trimmed = said.trim(), ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(trimmed) ? trimmed : `${trimmed}Z`);
  return ms > 0 && ms < LATEST_MS ? ms : null;
}

const PLATFORMS = Object.entries({
  android: "android", ios: "ios", iphone: "ios", ipad: "ios", windows: "windows", "os x": "osx", osx: "osx", macos: "osx",
  linux: "linux", web_player: "web_player", webplayer: "web_player", cast: "cast", partner: "partner",
});

/** The kind of device: the mark that stands first in Spotify's free text. */
function platform(said) {
  const lower = text(said)?.toLowerCase();
  if (!lower) return null;
  const marks = PLATFORMS.map(([mark, kind]) => [lower.indexOf(mark), kind]).filter(([at]) => at >= 0);
  return marks.length ? marks.sort(([a], [b]) => a - b)[0][1] : "other";
}

/** A name as an identity (`starts.key`): one form, no case, single blanks. */
const key = (name) => name.normalize("NFKC").toUpperCase().toLowerCase().replaceAll("ς", "σ").normalize("NFKC").split(/\s+/).filter(Boolean).join(" ");
const areWhole = (...names) => !names.some((name) => /\p{Surrogate}/u.test(name ?? "")); // half a character is no text
const text = (value) => (typeof value === "string" && value ? value : null);
const flag = (value) => (typeof value === "boolean" ? value : null);
const reason = (value) => (typeof value !== "string" || REASONS_UNKNOWN.has(value) ? null : value.toLowerCase());
const isTime = (value) => Number.isInteger(value) && value >= 0 && value <= LONGEST_MS;
const known = (record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null));
