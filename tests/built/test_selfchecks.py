"""Self-checks: the numbers that the package knows are those that the pages print."""

import re

import pytest
from booksite import pages

from dnnbook import exercises

pytestmark = pytest.mark.built


def test_numbers_of_exercises_are_those_printed(html):
    printed = {}
    for page in pages():
        if re.match(r"part\d+/", page):
            found = re.findall(r'id="(ex-[\w-]+)">\s*<p[^>]*>\s*<span[^>]*>Exercise ([\d.]+)', (html / page).read_text("utf-8"))
            printed |= dict(found)
    assert printed
    assert {e.label: printed.get(e.label) for e in exercises.EXERCISES} == {e.label: e.number for e in exercises.EXERCISES}
