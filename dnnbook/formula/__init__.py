"""The printed formula is the tested formula.

A function's docstring prints its formula once, in LaTeX. This package reads *that text* with a strict grammar, evaluates it
with 50 digits and more, and holds the compiled code against it. What the grammar does not know is an error with a position.

==========  ==============================================================
grammar     text to tree (``dialect.lark``), errors with a caret
names       the table of symbols: which print means which argument
values      arithmetic of exact numbers, vectors and matrices
evaluate    tree to value, one method for each rule of the grammar
model       a function's formula: tree, table, what is returned
sample      arguments over the whole declared domain
compare     code and print on the same arguments, and how far apart they are
balance     the same for equations to be solved: both sides with the code's solution
checks      all checks of one formula: float64, float32, kinks
parents     a derivative against its parent, in print and in code
ledger      all formulas of the package, as a table and as JSON
every32     activations of one number over all 2^32 float32 inputs
files       JSON that is written whole or not at all
==========  ==============================================================
"""

try:
    import lark  # noqa: F401
    import mpmath  # noqa: F401
except ImportError as error:
    raise ImportError(f'the formula checker needs {error.name}: pip install "dnnbook[verify]"') from None

from dnnbook.formula import ledger
from dnnbook.formula.checks import Report, check
from dnnbook.formula.compare import Mismatch
from dnnbook.formula.grammar import FormulaError
from dnnbook.formula.ledger import LIMITS

__all__ = ["LIMITS", "FormulaError", "Mismatch", "Report", "check", "ledger"]
