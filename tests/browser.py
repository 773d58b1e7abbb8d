"""Chromium without a window or a network but this machine's, for what only a browser can tell of a page."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import contextmanager
from importlib.resources import files

import pytest

ARGUMENTS = [
    "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
    "--proxy-server=http://127.0.0.1:9",  # what has an address leads nowhere
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-default-browser-check",
]  # fmt: skip
WATCH = """
  window.broken = [];
  addEventListener("error", (event) => broken.push(String(event.message || event.target.outerHTML)), true);
  addEventListener("unhandledrejection", (event) => broken.push(String(event.reason)));
  addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective + " " + event.blockedURI));
  for (const name of ["alert", "confirm", "prompt", "open"]) window[name] = () => { window.hacked = name; };
"""


class Browser:
    """One window; each page is opened from disk or from this machine."""

    def __init__(self, driver):
        self.driver = driver
        self.tell("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def tell(self, command, **parameters):
        """A command of the Chrome DevTools Protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def open(self, page, *, width=1280, height=900, scheme="light", hash=""):
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        self.seen_in(scheme=scheme)
        self.driver.get("about:blank")  # that the same page is loaded anew, whatever its #hash
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self.driver.get((page if isinstance(page, str) else page.as_uri()) + hash)
        return self

    def seen_in(self, *, scheme="light", media=""):
        """What the system says: light or dark; on screen or on paper."""
        self.tell(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def run(self, script, *given):
        """What a function body in JavaScript returns."""
        return self.driver.execute_script(script, *given)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        (found,) = self.all(selector)
        return found

    def wait(self, condition, *given, seconds=10):
        """Until an expression in JavaScript is true."""
        until = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})", *given):
            assert time.monotonic() < until, f"waited {seconds} s for {condition}; trouble: {self.trouble()}"
            time.sleep(0.02)

    def press(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def trouble(self):
        """What went wrong in the page: errors in its console, errors thrown, rules of its policy that were broken."""
        said = [line["message"] for line in self.driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
        return said + self.run("return window.broken")

    def requests(self):
        """Addresses that the page has asked for since it was opened, or since this was last called."""
        return [request["url"] for request in self._requested()]

    def posted(self):
        """The JSON that the page has sent since it was opened, or since this was last called."""
        return [json.loads(request["postData"]) for request in self._requested() if "postData" in request]

    def _requested(self):
        events = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        return [e["params"]["request"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def settled(self):
        """Wait until what observes sizes and places has been told."""
        self.driver.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[0], 0)))"
        )
        return self

    def axe(self):
        """What axe-core finds serious or critical: lines of rule, element and summary."""
        if not self.run("return Boolean(window.axe)"):
            self.run((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
        found = self.driver.execute_async_script("""
          axe.run(document, {resultTypes: ["violations"]})  // of what is right, no more than which rules it is
            .then((said) => ({violations: said.violations, n_passes: said.passes.length})).then(arguments[0]);
        """)  # fmt: skip
        assert found["n_passes"] >= 15, "axe has looked at little"
        return [
            f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
            for rule in found["violations"] if rule["impact"] in ("serious", "critical") for node in rule["nodes"]
        ]  # fmt: skip


@contextmanager
def browser(reach=""):
    """A browser, or a skip that says what it needs. It reaches no host but the one it is told of."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("Chromium and its driver are needed: sudo apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is needed: pip install 'segue[dev]'")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.set_capability("unhandledPromptBehavior", "dismiss")
    cut = "--host-resolver-rules=MAP * ~NOTFOUND"  # no name has an address: the network is cut
    for argument in [
        *ARGUMENTS,
        f"{cut}, EXCLUDE {reach}" if reach else cut,
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]:
        options.add_argument(argument)
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        opened.set_script_timeout(60)
        yield Browser(opened)
    finally:
        opened.quit()
