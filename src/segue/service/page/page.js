/** The start: what the service offers, the places of the page, light and dark. */

import { Api } from "./api.js";
import { el, replace } from "./dom.js";
import { mount as exportsOfOnes } from "./export_form.js";
import { mount as heard } from "./heard.js";
import { PANELS } from "./panels.js";
import { mount as queue, slot } from "./queue.js";
import { mount as search } from "./search.js";
import { Session } from "./session.js";

const at = (id) => document.getElementById(id);

/** What the parts of the page share; it tells "model" when another is chosen. */
class Page extends EventTarget {
  api = new Api();
  session = new Session();
  models = [];
  chosen = null; // the model that was chosen last: the catalogue is its own, and labels are by its rule
  slot = slot;
  #saying = 0;

  choose(model) {
    this.chosen = model;
    this.dispatchEvent(new Event("model"));
  }

  /** Said to a screen reader once things have settled, the last word only. */
  say(text) {
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => { at("said").textContent = text; }, 300);
  }

  /** What went wrong, where everybody sees it; nothing wrong: null. */
  trouble(problem, again) {
    if (problem?.status === 401) this.#askForKey(again);
    const retry = problem && again && problem.status !== 401 ? el("button", { type: "button", click: again }, "Try again") : null;
    replace(at("problem"), problem ? el("p", { class: "problem" }, problem.sentences ?? String(problem), " ", retry ?? "") : null);
  }

  #askForKey(again) {
    at("key").hidden = false;
    at("key").onsubmit = (event) => {
      event.preventDefault();
      this.api.key = at("key-text").value.trim();
      at("key-text").value = "";
      at("key").hidden = true;
      again();
    };
    at("key-text").focus();
  }
}

function lightAndDark() {
  const root = document.documentElement, dark = at("dark"), system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => { dark.textContent = isDark() ? "Light" : "Dark"; }; // what a click makes of it
  dark.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; tell(); });
  system.addEventListener("change", tell);
  tell();
}

/** The page asks what its first panel asks. */
function headed({ question, lead }) {
  at("question").textContent = question;
  at("lead").textContent = lead;
  document.title = `Segue – ${question[0].toLowerCase()}${question.slice(1)}`;
}

async function start(page) {
  try {
    page.models = await page.api.models();
    page.trouble(null);
  } catch (problem) {
    page.trouble(problem, () => start(page));
    return;
  }
  heard(at("heard"), page);
  queue(at("queue"), page);
  const modelsOf = ({ task, able = () => true }) => page.models.filter((model) => model.task === task && able(model));
  const panels = PANELS.filter((panel) => modelsOf(panel).length);
  if (panels.length) headed(panels[0]);
  for (const panel of panels) {
    const about = el("div", { class: "of-panel" });
    at("about").append(about);
    (await import(panel.module)).mount({ asking: at("panels"), circumstances: at("circumstances"), about }, page, modelsOf(panel));
  }
  search(at("find"), page);
  exportsOfOnes(at("exports"), page);
  document.documentElement.dataset.ready = "";
}

at("loading").remove(); // all modules are here
lightAndDark();
start(new Page());
