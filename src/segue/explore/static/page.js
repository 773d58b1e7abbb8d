"use strict";
(() => {
  const root = document.documentElement, dark = document.getElementById("dark"), fold = document.getElementById("fold");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const tell = () => dark.setAttribute("aria-pressed", String(isDark()));
  dark.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; tell(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  tell();
  const sections = [...document.querySelectorAll("details.section")];
  fold.addEventListener("click", () => {
    const open = !sections.some((s) => s.open);
    sections.forEach((s) => { s.open = open; });
    fold.textContent = open ? "Fold all" : "Unfold all";
  });
  const reveal = () => {
    let at = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const target = at;
    for (; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  addEventListener("beforeprint", () => sections.forEach((s) => { s.open = true; }));
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => {
      const head = button.parentElement, heads = [...head.parentElement.children], at = heads.indexOf(head);
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = head.closest("table").tBodies[0], numeric = head.classList.contains("number");
      const key = (row) => row.children[at].dataset.key;
      const order = (a, b) => numeric ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b));
      const rows = [...body.rows], known = rows.filter((r) => key(r) !== ""), unknown = rows.filter((r) => key(r) === "");
      known.sort((a, b) => down ? order(b, a) : order(a, b));
      body.append(...known, ...unknown);
    });
  }
})();
