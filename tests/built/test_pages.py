"""Every page of the built book in a real browser: light, dark, on a phone, from the web and from a file."""

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from booksite import HTML, pages

pytestmark = pytest.mark.built
PAGES = pages()
CHAPTERS = [p for p in PAGES if re.match(r"part\d+/", p)]

PROBES = (Path(__file__).parent / "probes.js").read_text("utf-8")


def ask(page, probe):
    return page.evaluate(f"{PROBES.rstrip()}.{probe}()")


def own(url, base):
    return url.startswith((base, "data:", "blob:"))


@pytest.mark.parametrize("page", PAGES)
def test_page(visit, base, page):
    """Nothing from outside, no complaint, no TeX error, every image with a text, readable contrast."""
    with visit(base + page) as v:
        assert [r for r in v.requests if not own(r, base)] == []
        assert v.complaints == []
        assert v.page.locator("merror, .math-error, .problematic, .system-message").count() == 0
        assert ask(v.page, "unnamed") == []
        assert ask(v.page, "contrast") == []


@pytest.mark.parametrize("page", PAGES)
def test_page_on_a_phone_in_the_dark(visit, base, page):
    with visit(base + page, width=390, dark=True) as v:
        assert v.complaints == []
        assert v.page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert ask(v.page, "overflow") == []
        assert ask(v.page, "contrast") == []


@pytest.mark.parametrize("page", PAGES)
def test_page_from_a_file(visit, html, page):
    """On a train: opened from disk, with no server and no network."""
    with visit((html / page).as_uri()) as v:
        assert [r for r in v.requests if not r.startswith(("file:", "data:", "blob:"))] == []
        assert v.complaints == []


@pytest.mark.parametrize("page", CHAPTERS)
def test_maths_is_set_in_the_books_own_font(visit, base, page):
    with visit(base + page) as v:
        assert v.page.locator("math").count() > 0
        assert v.page.evaluate("document.fonts.ready.then(() => document.fonts.check('20px Bookmath'))")


def targets(html, page):
    """(address, fragment) of every internal link of a page."""
    text = (html / page).read_text("utf-8")
    for href in re.findall(r'<(?:a|link|img|script)\b[^>]*?\b(?:href|src)="([^"]*)"', text):
        if not re.match(r"[a-z]+:", href):
            address, fragment = urldefrag(urljoin("/" + page, href.replace("&amp;", "&")))
            yield unquote(address.split("?")[0]).lstrip("/"), unquote(fragment)


def test_no_broken_internal_link(html):
    ids, broken = {}, []
    for page in PAGES:
        for address, fragment in targets(html, page):
            target = address or page
            if not (html / target).exists():
                broken.append(f"{page} -> {target}")
            elif fragment and target.endswith(".html"):
                if target not in ids:
                    ids[target] = set(re.findall(r'\bid="([^"]*)"', (html / target).read_text("utf-8")))
                if fragment not in ids[target]:
                    broken.append(f"{page} -> {target}#{fragment}")
    assert sorted(set(broken)) == []


def test_no_address_outside_is_loaded(html):
    """The same promise, held in the text: whatever a page, style or script would load is in the book."""
    for page in PAGES:
        text = (html / page).read_text("utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)="(https?:[^"]*)"', text)
        assert [u for u in loaded if "canonical" not in u] == [], page
    for sheet in html.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?https?:|@import\s+[\"']https?:", sheet.read_text("utf-8")), sheet


@pytest.mark.parametrize("where", ["web", "file"])
def test_search_works_offline(visit, base, html, where):
    url = base + "search.html?q=softmax" if where == "web" else (html / "search.html").as_uri() + "?q=softmax"
    with visit(url) as v:
        v.page.wait_for_selector("#search-results li", timeout=10_000)
        assert v.page.locator("#search-results li").count() > 1
        assert v.complaints == []


def test_ledger_sorts(visit, base):
    with visit(base + "reference/ledger.html") as v:
        header = v.page.locator("table.ledger th").nth(0)
        cells = "table.ledger tbody tr td:first-child"
        header.locator("button").or_(header).first.click()
        up = v.page.locator(cells).all_inner_texts()
        header.locator("button").or_(header).first.click()
        down = v.page.locator(cells).all_inner_texts()
        assert len(up) > 40
        assert up != down
        assert sorted(up) == sorted(down)


@pytest.mark.parametrize("page", CHAPTERS)
def test_chapter_has_its_downloads(html, page):
    text = (html / page).read_text("utf-8")
    name = page.rpartition("/")[2].removesuffix(".html")
    assert (html / page).with_suffix(".ipynb").exists()
    assert f"{name}.ipynb" in text


def test_there_are_chapters():
    assert not (HTML / "index.html").exists() or len(CHAPTERS) >= 5
