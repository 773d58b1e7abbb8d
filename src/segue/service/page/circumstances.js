/** How the coming plays are played: the few things that one can choose of them. */

import { el } from "./dom.js";
import { CONTEXTS, PLATFORMS, SKIPS } from "./plays.js";

const words = (names) => ["", ...names].map((name) => [name, name ? name.replaceAll("_", " ") : "not said"]);

export function mount(place, page) {
  const { session } = page;
  const shuffle = el("input", { type: "checkbox", id: "shuffle", change: () => session.choose({ shuffle: shuffle.checked }) });
  const selects = {
    context: choice("context", words(CONTEXTS)), platform: choice("platform", words(PLATFORMS)),
    after: choice("after", Object.entries(SKIPS)),
  };
  for (const [name, select] of Object.entries(selects)) select.addEventListener("change", () => session.choose({ [name]: select.value }));
  const unread = el("p", { class: "note" });
  const fold = el("details", { class: "fold" }, el("summary", {}, el("h2", {}, "How they are played")), el("div", { class: "choices" },
    el("label", {}, shuffle, " Shuffle"), labelled("Played from", selects.context), labelled("On", selects.platform),
    labelled("A skip comes", selects.after)), unread);
  place.append(fold);
  const wide = matchMedia("(min-width: 62rem)");
  fold.open = wide.matches; // a phone has no room for what can be left as it is

  const tell = () => {
    shuffle.checked = session.given.shuffle;
    for (const [name, select] of Object.entries(selects)) select.value = session.given[name];
  };
  session.addEventListener("change", tell);
  page.addEventListener("model", () => { unread.textContent = notRead(page.chosen.card); });
  tell();
}

function choice(id, options) {
  return el("select", { id }, ...options.map(([value, text]) => el("option", { value }, text)));
}

const labelled = (text, select) => el("label", {}, el("span", {}, text), select);

/** Which of the choices move nothing, for the model has no feature of them. */
function notRead({ model, features = [], steps }) {
  if (!features.length || steps) return "";
  const none = ["shuffle", "context", "platform"].filter((word) => !features.some((name) => name.includes(word)));
  const called = { shuffle: "shuffle", context: "where it is played from", platform: "the device" };
  return none.length ? `${model} does not read ${none.map((word) => called[word]).join(" or ")}.` : "";
}
