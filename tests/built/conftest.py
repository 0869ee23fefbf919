"""Tests of the built book: they need build/html, and for most of them Playwright with a Chromium."""

import functools
import http.server
import shutil
import threading

import pytest
from booksite import HTML, QUIET, SYSTEM_BROWSERS, Visit


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def html():
    if not (HTML / "index.html").exists():
        pytest.fail(f"no book at {HTML}: build it first")
    return HTML


@pytest.fixture(scope="session")
def base(html):
    """Address of a server of the book."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    with sync_api.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=found, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    return functools.partial(Visit, browser)
