"use strict";
(() => {
  const all = (asked) => [...document.querySelectorAll(asked)];
  const root = document.documentElement, dark = document.getElementById("dark"), fold = document.getElementById("fold");
  document.querySelector(".tools").hidden = false;

  // light and dark: as the system has it, until somebody chooses
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const tellDark = () => dark.setAttribute("aria-pressed", String(isDark()));
  dark.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; tellDark(); });
  system.addEventListener("change", tellDark);
  tellDark();

  // folding: what is folded leaves its findings to be read
  const folds = all("details.figures");
  const anyOpen = () => folds.some((one) => one.open);
  const tellFold = () => { fold.textContent = anyOpen() || !folds.length ? "Fold all" : "Unfold all"; };
  fold.addEventListener("click", () => { const open = !anyOpen(); folds.forEach((one) => { one.open = open; }); });
  folds.forEach((one) => one.addEventListener("toggle", tellFold));
  let folded = [];
  addEventListener("beforeprint", () => { folded = folds.filter((one) => !one.open); folds.forEach((one) => { one.open = true; }); });
  addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));

  // a link to what is folded unfolds it
  const unfold = (hash) => {
    const target = hash.length > 1 ? document.getElementById(hash.slice(1)) : null;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    return target;
  };
  document.addEventListener("click", (event) => { const link = event.target.closest("a[href^='#']"); if (link) unfold(link.hash); });
  addEventListener("hashchange", () => unfold(location.hash)?.scrollIntoView());
  unfold(location.hash)?.scrollIntoView();

  // where one is, in the contents
  const links = new Map(all("nav ol ol a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((changes) => {
    for (const change of changes) if (change.isIntersecting) {
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(change.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -75% 0px" });
  all("article").forEach((article) => seen.observe(article));

  // what scrolls can be reached by keyboard
  const scrolls = new ResizeObserver((changes) => {
    for (const { target } of changes) {
      const more = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
      if (more) target.tabIndex = 0; else target.removeAttribute("tabindex");
    }
  });
  all(".picture, .scroll").forEach((one) => scrolls.observe(one));

  // tables sort by their heads; what is unknown stays last
  for (const head of all("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const heads = [...head.parentElement.children], at = heads.indexOf(head), numeric = head.classList.contains("number");
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = head.closest("table").tBodies[0];
      const key = (row) => row.children[at].dataset.key ?? row.children[at].textContent;
      const order = (a, b) => numeric ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b));
      const known = [...body.rows].filter((row) => key(row) !== ""), unknown = [...body.rows].filter((row) => key(row) === "");
      known.sort((a, b) => down ? order(b, a) : order(a, b));
      body.append(...known, ...unknown);
    });
  }
})();
