"""Chromium without a window, driven by Selenium, on a page that lies on the disk."""

import shutil
from pathlib import Path

import pytest

try:
    from selenium import webdriver
    from selenium.common.exceptions import TimeoutException, WebDriverException
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait
except ImportError:
    webdriver = None

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
NEEDED = "needs Chromium and its driver (apt-get install chromium chromium-driver) and Selenium (pip install selenium)"


class Browser:
    """A browser of its own profile. driver: Selenium's; downloads: the folder of its downloads."""

    def __init__(self, downloads: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.downloads = downloads
        self.resize(1280, 800)

    def open(self, page: Path) -> None:
        self.driver.get(page.as_uri())
        WebDriverWait(self.driver, 60).until(lambda _: self.all("body:not([inert])"))

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def text(self, selector: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def shows(self, selector: str, text: str) -> bool:
        """Whether it is that, at once or after what another tab did has come here."""
        try:
            return WebDriverWait(self.driver, 60).until(lambda _: self.text(selector) == text)
        except TimeoutException:
            return False

    def all(self, selector: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *values):
        return self.driver.execute_script(script, *values)

    def saved(self, name: str = "labels.csv") -> Path:
        """The csv after a press on Save, once it is whole."""
        self.click("#save")
        file = self.downloads / name
        WebDriverWait(self.driver, 60).until(lambda _: file.exists() and file.stat().st_size)
        return file


def started(downloads: Path) -> Browser:
    """A browser; the test that asks for it is skipped where there is none."""
    if not (webdriver and CHROMIUM and DRIVER):
        pytest.skip(NEEDED)
    try:
        return Browser(downloads)
    except WebDriverException as error:
        pytest.skip(f"Chromium is there and does not start: {str(error.msg).partition(chr(10))[0]}")
