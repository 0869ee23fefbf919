"""What ``bench --cuda`` holds its figures against: shares of cuBLAS and of a copy, and ratios to PyTorch's training step."""

import re

LARGE = 1e9  # operations of a training step above which a GPU is limited by arithmetic, not by launches


def share(name, size):
    """The share of cuBLAS, or of a copy, that a case should reach; None if nothing is asked of it."""
    smallest = min(int(n) for n in re.findall(r"\d+", size))
    if not name.startswith("product"):
        return 0.85
    if name == "product in bf16" and smallest >= 4096:
        return 0.6
    if name == "product" and smallest >= 1024:
        return 0.9 if smallest >= 4096 else 0.8
    return None


def ratio(flops):
    """The most that a training step of so many operations may take, in PyTorch's: small ones eager, large ones in any way."""
    return {"PyTorch": 1.15, "PyTorch graph": 1.15} if flops >= LARGE else {"PyTorch": 1.0}


def judged(row):
    """A row of ``bench --cuda`` with its target, and whether it was reached; as it is without one, or without a peer."""
    if "ratios" in row:
        most = {name: x for name, x in ratio(row["flops"]).items() if name in row["ratios"]}
        reached = all(row["ratios"][name]["median"] <= x for name, x in most.items())
        return row | ({"target": {"most": most, "reached": reached}} if most else {})
    least = share(row["name"], row["size"]) if "share" in row else None
    return row | ({"target": {"least": least, "reached": row["share"]["median"] >= least}} if least else {})


def text(row):
    """A word on the target of a row."""
    if "target" not in row:
        return ""
    target = row["target"]
    wanted = f">= {target['least']:.0%}" if "least" in target else f"<= {max(target['most'].values()):g}"
    return f"  {wanted}: {'reached' if target['reached'] else 'missed'}"


def summary(rows):
    """The targets of all rows in one line."""
    held = [row["target"]["reached"] for row in rows if "target" in row]
    return f"targets: {sum(held)} of {len(held)} reached" if held else "targets: nothing here has one, or nothing to hold it to"
