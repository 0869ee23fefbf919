"""The package as the book sees it: its formulas, their derivatives, their code."""

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from dataclasses import dataclass

from dnnbook import _docstring


@dataclass(frozen=True)
class Formula:
    """A public function with what its docstring says."""

    path: str
    module: str
    name: str
    doc: _docstring.Docstring
    file: str

    @property
    def object(self):
        return getattr(importlib.import_module(self.module), self.name)

    @property
    def signature(self):
        return f"{self.name}{inspect.signature(self.object)}"

    @property
    def remarks(self):
        """What the docstring says between its formulas and its parameters."""
        front = _docstring.MATH.sub("", _docstring.sections(self.doc.text)[""])
        return [" ".join(part.split()) for part in front.strip().split("\n\n")[1:] if part.strip()]

    @property
    def source(self):
        """The sentence that names the source."""
        m = re.search(r"Source:\s.*?(?=\n\s*\n|\Z)", _docstring.sections(self.doc.text).get("Notes", ""), re.S)
        return " ".join(m[0].split()) if m else ""

    @property
    def code(self):
        """The source text, decorators included, docstring left out."""
        text = textwrap.dedent(inspect.getsource(inspect.unwrap(self.object)))
        first = ast.parse(text).body[0].body[0]
        lines = text.rstrip().splitlines()
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            del lines[first.lineno - 1 : first.end_lineno]
        return "\n".join(lines)


def prints_formula(obj):
    return callable(obj) and bool(_docstring.MATH.search((inspect.getdoc(obj) or "") + "\n"))


def find(path):
    """The formula of a full name such as ``dnnbook.activations.relu``; LookupError where there is none."""
    module, _, name = path.rpartition(".")
    try:
        obj = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise LookupError(f"{path} does not exist") from None
    if not prints_formula(obj):
        raise LookupError(f"the docstring of {path} prints no labelled formula")
    return Formula(path, module, name, _docstring.read(obj), inspect.getsourcefile(inspect.unwrap(obj)))


DERIVED = {  # suffix of a name: how a card calls that part, and its badge
    "_grad": ("Derivative", "derivative"),
    "_grad2": ("Second derivative", "second derivative"),
    "_vjp": ("Vector-Jacobian product", "product"),
    "_jvp": ("Jacobian-vector product", "rate of change"),
    "_vjp_jvp": ("Rate of change of the vector-Jacobian product", "rate of change of the product"),
    "_hvp": ("Hessian-vector product", "Hessian-vector product"),
    "_hessian": ("Hessian", "Hessian"),
}


def suffix(path):
    """Which suffix makes the name a derivative's, the longest one; empty for a function of its own."""
    return max((s for s in DERIVED if path.endswith(s)), key=len, default="")


def derivatives(formula):
    """The formulas of ``name_grad``, ``name_vjp`` and their like in the same module; a derivative has none."""
    found = []
    for suffix_ in () if suffix(formula.path) else DERIVED:
        try:
            found.append(find(formula.path + suffix_))
        except LookupError:
            continue
    return found


def in_place(formula):
    """The full name of the twin that changes its argument, such as ``adam_``, if there is one."""
    module = importlib.import_module(formula.module)
    return f"{formula.path}_" if f"{formula.name}_" in getattr(module, "__all__", []) else None


WITHOUT_FORMULAS = {"bench", "cuda"}  # their modules may want frameworks or a GPU's compiler to be imported


@functools.cache
def public(package):
    """Every public function of the package that prints a labelled formula, and every module that does not import."""
    found, broken = {}, {}
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        parts = info.name.split(".")
        if any(part.startswith("_") for part in parts) or WITHOUT_FORMULAS & set(parts):
            continue
        try:
            module = importlib.import_module(info.name)
        except ImportError as error:
            broken[info.name] = str(error)
            continue
        for name in getattr(module, "__all__", []):
            obj = getattr(module, name)
            if prints_formula(obj) and getattr(obj, "__module__", "") == info.name:
                found[f"{info.name}.{name}"] = find(f"{info.name}.{name}")
    return found, broken
