"""Verdicts: what an experiment of the book found about a claim of the lecture.

A chapter ends an experiment with :func:`verdict`. The notebook shows the verdict, and the build gathers all of them.
"""

import html
import re
from typing import NamedTuple

__all__ = ["MIME", "VERDICTS", "Verdict", "verdict"]

MIME = "application/vnd.dnnbook.claim+json"
VERDICTS = {"confirmed": "#1b7837", "bounded": "#8c5109", "refuted": "#b2182b"}


class Verdict(NamedTuple):
    """What was found about one claim."""

    claim: str
    verdict: str
    sentence: str
    value: str

    def __str__(self):
        return f"{self.claim} {self.verdict}: {self.sentence}" + (f" ({self.value})" if self.value else "")

    def _repr_mimebundle_(self, include=None, exclude=None):
        value = f'<p class="claim-value">{html.escape(self.value)}</p>' if self.value else ""
        page = (
            f'<div class="claim claim-{self.verdict}" id="claim-{self.claim}" '
            f'style="border-left: 4px solid {VERDICTS[self.verdict]}; padding-left: 1em">'
            f"<p><strong>{self.claim} {self.verdict}.</strong> {html.escape(self.sentence)}</p>{value}</div>"
        )
        return {"text/plain": str(self), "text/html": page, MIME: self._asdict()}


def verdict(claim, verdict, sentence, value=""):
    """State what an experiment found; the last expression of its cell.

    Parameters
    ----------
    claim : str
        Id of the claim in the lecture's list, such as ``"O6"``.
    verdict : str
        ``"confirmed"``, ``"bounded"`` (true within limits that the sentence names) or ``"refuted"``.
    sentence : str
        What was found, in one sentence.
    value : str or number
        The number it rests on, with its spread and the count of seeds.

    Returns
    -------
    Verdict
        Shows itself in a notebook.

    Raises
    ------
    ValueError
        For an id that is no id, or a verdict that is none of the three.

    Examples
    --------
    >>> print(verdict("A13", "bounded", "About half of the units are silent.", "0.51 +- 0.02, 5 seeds"))
    A13 bounded: About half of the units are silent. (0.51 +- 0.02, 5 seeds)
    """
    if not re.fullmatch(r"[A-Z]\d+", claim):
        raise ValueError(f"verdict: claim is {claim!r}, expected a letter and a number, such as 'O6'")
    if verdict not in VERDICTS:
        raise ValueError(f"verdict: verdict is {verdict!r}, expected one of {', '.join(map(repr, VERDICTS))}")
    return Verdict(claim, verdict, sentence, str(value))
