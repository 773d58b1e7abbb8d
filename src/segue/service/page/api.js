/** The service's answers, and its refusals as it words them (RFC 9457). */

/** Why there is no answer. */
export class Problem extends Error {
  constructor({ title, detail, remedy, status = 0, retryAfter = 0 }) {
    super(title || "The service refused");
    Object.assign(this, { detail, remedy, status, retryAfter });
  }

  get sentences() {
    const said = [typeof this.detail === "string" ? this.detail : this.message, this.remedy].filter(Boolean);
    return said.map((one) => `${one[0].toUpperCase()}${one.slice(1).replace(/[.\s]+$/, "")}.`).join(" ");
  }
}

export class Api {
  key = ""; // kept by this tab alone, until it is closed

  models = async () => (await this.#get("/v1/models")).models;

  tracks = async (q, { limit = 20, model, signal } = {}) => (await this.#get("/v1/tracks", { q, limit, model }, signal)).tracks;

  monitor = async (signal) => (await this.#get("/v1/monitor", {}, signal)).models;

  skip = (session, { model, reasons = 3, signal } = {}) =>
    this.#fetch("/v1/skip", { model, reasons }, { method: "POST", signal, body: JSON.stringify(session) });

  nextTrack = (list, { model, signal } = {}) =>
    this.#fetch("/v1/next-track", { model }, { method: "POST", signal, body: JSON.stringify(list) });

  /** The bytes of a file of sound, as they are. */
  like = (file, { model, k, signal } = {}) =>
    this.#fetch("/v1/next-track/like", { model, k, name: file.name.slice(-200) }, { method: "POST", signal, body: file, kind: "application/octet-stream" });

  length = (session, { model, signal } = {}) =>
    this.#fetch("/v1/length", { model }, { method: "POST", signal, body: JSON.stringify(session) });

  #get(path, asked, signal) {
    return this.#fetch(path, asked, { signal });
  }

  async #fetch(path, asked = {}, { kind = "application/json", ...given } = {}) {
    const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value != null && value !== ""));
    const headers = { Accept: "application/json", ...(given.body && { "Content-Type": kind }),
      ...(this.key && { Authorization: `Bearer ${this.key}` }) };
    let answer, said;
    try {
      answer = await fetch(query.size ? `${path}?${query}` : path, { ...given, headers, credentials: "omit", redirect: "error" });
      said = await answer.json();
    } catch (cause) {
      if (cause.name === "AbortError") throw cause;
      const title = answer ? `The service answered ${answer.status} and no JSON` : "The service does not answer";
      throw new Problem({ title, status: answer?.status, remedy: "is it still running? Try again" });
    }
    if (answer.status === 401) { // the service speaks of headers, which nobody sees here
      throw new Problem({ title: this.key ? "This key is not known here: try another" : "A key is asked for here", status: 401 });
    }
    if (!answer.ok) throw new Problem({ ...said, status: answer.status, retryAfter: Number(answer.headers.get("Retry-After")) || 0 });
    return said;
  }
}
