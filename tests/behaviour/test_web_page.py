#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The page of `web { page = "console" }` in a real browser: a chat room with
two browsers and a plain client, hostile text, a restart, the keyboard, the size
of a phone, dark mode. Skipped where there is no Chromium with its driver and
selenium.

With LINED_SHOTS=DIRECTORY in the environment it leaves screenshots there."""
import os
import shutil
import time

from lined_test import PATIENCE, Client, DaemonTest, free_port, main, service

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

DRIVER = shutil.which("chromedriver")
CHROMIUM = shutil.which("chromium")
SHOTS = os.environ.get("LINED_SHOTS")


class Browser:
    def __init__(self, url, directory, width=900, height=700, dark=False):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu",
                         "--disable-dev-shm-usage", "--hide-scrollbars",
                         "--user-data-dir=" + directory):
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options,
                                       service=Service(DRIVER))
        self.driver.set_page_load_timeout(PATIENCE)
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": width < 600})
        if dark:
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
                "features": [{"name": "prefers-color-scheme",
                              "value": "dark"}]})
        self.driver.get(url)

    def script(self, text, *arguments):
        return self.driver.execute_script("return " + text, *arguments)

    @property
    def state(self):
        return self.script("document.getElementById('state').textContent")

    @property
    def lines(self):
        return self.script("[...document.querySelectorAll('#lines span')]"
                           ".map((line) => line.textContent)")

    @property
    def input(self):
        return self.driver.find_element(By.ID, "text")

    def type(self, *keys):
        self.input.send_keys(*keys)

    def shot(self, name):
        if SHOTS:
            self.driver.save_screenshot(os.path.join(SHOTS, name + ".png"))


class Page(DaemonTest):
    def setUp(self):
        super().setUp()
        if webdriver is None or DRIVER is None or CHROMIUM is None:
            self.skipTest("chromium, chromedriver or selenium is missing")
        self.port = free_port()
        self.tcp = free_port()
        self.url = "http://127.0.0.1:%d/" % self.port
        self.text = service(
            "lobby", "ws://127.0.0.1:%d" % self.port,
            "tcp://127.0.0.1:%d" % self.tcp, protocol="chat",
            extra='\tweb { page = "console" }\n'
                  '\tframing { line-length = 16384 }\n'
                  '\tchat { motd = "Welcome." flood-rate = 0 }')
        self.daemon = self.start(self.text)
        self.browsers = []

    def browse(self, **kw):
        browser = Browser(self.url, self.path("chromium-%d"
                                              % len(self.browsers)), **kw)
        self.browsers.append(browser)
        self.addCleanup(browser.driver.quit)
        self.eventually(lambda: browser.state == "connected", "it connects")
        return browser

    def hears(self, browser, *texts):
        for text in texts:
            self.eventually(lambda t=text: any(t in line
                                               for line in browser.lines),
                            "%r in %r" % (text, browser.lines[-5:]))

    def test_two_browsers_and_a_terminal(self):
        alice, bob = self.browse(), self.browse(width=320, height=568,
                                                dark=True)
        with Client(("127.0.0.1", self.tcp)) as nc:
            alice.type("/nick alice", Keys.ENTER)
            self.hears(alice, "alice")
            bob.type("/nick bob", Keys.ENTER)
            nc.send(b"/nick carol\n")
            self.hears(alice, "bob", "carol")
            alice.type("Hello from a browser", Keys.ENTER)
            self.hears(bob, "<alice> Hello from a browser")
            nc.send(b"and from a terminal\n")
            self.hears(alice, "<carol> and from a terminal")
            self.hears(bob, "<carol> and from a terminal")
            bob.type("Grüße vom Telefon \u4e16\u754c", Keys.ENTER)
            self.hears(alice, "<bob> Grüße vom Telefon \u4e16\u754c")
            self.hostile(alice, bob, nc)
            self.keyboard(alice)
            self.narrow(bob)
            alice.shot("wide")
            bob.shot("phone-dark")
            self.restart(alice, bob)

    def hostile(self, alice, bob, nc):
        """Text of others stays text: no element, no script, no scrolling
        sideways."""
        evil = ("<img src=x onerror=\"document.title='gone'\">"
                "<script>document.title='gone'</script>")
        bidi = "abc \u202egnirts\u202c def"
        long = "w" * 8000
        for line in (evil, bidi, long):
            nc.send(line.encode() + b"\n")
        for browser in alice, bob:
            self.hears(browser, evil, long)
            self.assertEqual(browser.script(
                "document.querySelectorAll('#lines img, #lines script')"
                ".length"), 0)
            self.assertNotEqual(browser.driver.title, "gone")
            self.assertTrue(browser.script(
                "document.documentElement.scrollWidth <= innerWidth"))
            self.assertTrue(browser.script(
                "document.getElementById('lines').scrollWidth <= "
                "document.getElementById('lines').clientWidth"))

    def keyboard(self, alice):
        alice.type(Keys.ARROW_UP)
        self.assertEqual(alice.input.get_attribute("value"),
                         "Hello from a browser")
        alice.type(Keys.ARROW_UP)
        self.assertEqual(alice.input.get_attribute("value"), "/nick alice")
        alice.type(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
        self.assertEqual(alice.input.get_attribute("value"), "")
        alice.type("half", Keys.ESCAPE)
        self.assertEqual(alice.input.get_attribute("value"), "")
        names = []
        for _ in range(4):
            active = alice.driver.switch_to.active_element
            names.append(active.get_attribute("id"))
            active.send_keys(Keys.TAB)
        self.assertIn("send", names)
        self.assertEqual(alice.script(
            "document.getElementById('lines').getAttribute('aria-live')"),
            "polite")

    def narrow(self, bob):
        box = bob.script("(() => { const b = document.getElementById('send')"
                         ".getBoundingClientRect(); return [b.left, b.right, "
                         "b.bottom, innerWidth, innerHeight]; })()")
        self.assertGreaterEqual(box[0], 0)
        self.assertLessEqual(box[1], box[3])
        self.assertLessEqual(box[2], box[4])
        self.assertEqual(box[3], 320)

    def restart(self, alice, bob):
        self.daemon.stop()
        self.eventually(lambda: alice.state != "connected", "it notices")
        self.assertTrue(alice.script(
            "document.getElementById('send').disabled"))
        alice.shot("disconnected")
        self.daemon = self.start(self.text)
        for browser in alice, bob:
            self.eventually(lambda b=browser: b.state == "connected",
                            "it connects again")
            self.hears(browser, "connected again")
        alice.type("back", Keys.ENTER)
        self.hears(bob, "back")
        for browser in alice, bob:
            refused = [entry for entry in browser.driver.get_log("browser")
                       if "Content Security Policy" in entry["message"]]
            self.assertEqual(refused, [])


if __name__ == "__main__":
    main()
