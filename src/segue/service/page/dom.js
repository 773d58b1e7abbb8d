/** Elements without markup: whatever a name says, it becomes text and nothing else. */

const SVG = "http://www.w3.org/2000/svg";

/** An element; of what is given, functions listen, true and false switch, the rest are attributes. */
export const el = (tag, given, ...children) => filled(document.createElement(tag), given, children);

/** The same for a part of a picture. */
export const shape = (tag, given, ...children) => filled(document.createElementNS(SVG, tag), given, children);

function filled(made, given, children) {
  for (const [name, value] of Object.entries(given ?? {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** A name from elsewhere, which keeps its direction of writing to itself. */
export const named = (text, given) => el("bdi", given, text);

/** The same within a text that is read out. */
export const isolated = (text) => `\u2068${text}\u2069`;

/** For those who listen to the page rather than see it. */
export const unseen = (text) => el("span", { class: "unseen" }, text);

export function replace(place, ...children) {
  place.replaceChildren(...children.filter((child) => child != null));
}

/** A button that stays where the keyboard is when it has nothing to do: `disabled` would throw the focus away. */
export function button(text, press, given) {
  return el("button", { type: "button", ...given, click: (event) => {
    if (event.currentTarget.getAttribute("aria-disabled") !== "true") press(event);
  } }, text);
}

export const enable = (one, on) => one.setAttribute("aria-disabled", String(!on));
