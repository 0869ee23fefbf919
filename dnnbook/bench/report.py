"""What the command prints."""

import math

UNITS = (("s", 1), ("ms", 1e-3), ("us", 1e-6))


def head(result):
    m = result["machine"]
    print(f"dnnbook {result['dnnbook']} on {m['processor']}, {m['cores']} cores, float32")
    print(f"Python {m['python']}, NumPy {m['numpy']}, Numba {m['numba']}; large loops on {m['loop_threads']} threads")
    for text in (*m["blas"], *(f"{k}={x}" for k, x in m["settings"].items()), *result["peers"].values()):
        print(text)
    one = f" ({m['gbs_one_thread']:.1f} GB/s on one thread)"
    print(f"limits: matrix product {m['gflops']:.0f} GFLOP/s, copy {m['gbs']:.1f} GB/s{one}")
    print("arrays of 1e6 numbers and fewer stay in caches, which are faster than that copy: there, look at the ratio to a copy")
    print("\nratios: our time over theirs, median and middle half of the rounds; below 1 we are faster")
    print(f"{'what':28}{'size':48}{'time':>9}{'rate':>13}{'of limit':>9}{'first call':>12}  ratios", flush=True)


def line(r):
    rate = f"{r['gflops']:.3g} GFLOP/s" if "gflops" in r else f"{r['gbs']:.3g} GB/s" if "gbs" in r else ""
    share = f"{100 * r['share']:.0f} %" if "share" in r else ""
    ratios = "  ".join(f"{k} {x['median']:.2f} ({x['low']:.2f}-{x['high']:.2f})" for k, x in r["ratios"].items())
    print(
        f"{r['name']:28}{r['size']:48}{duration(r['seconds']['dnnbook']):>9}{rate:>13}{share:>9}"
        f"{duration(r['first']['dnnbook']):>12}  {ratios}",
        flush=True,
    )
    if "compiled" in r:
        c = r["compiled"]
        kept = "within" if r["seconds"]["dnnbook"] <= r["limit"] else "above"
        print(f"    {c['functions']} functions compiled in {duration(c['seconds'])}; {kept} the limit of {r['limit']:g} s")


def summary(result):
    """Per kind of case and peer: the geometric mean of the ratios, and the worst of them."""
    print(f"\nNumba's threading layer: {result['machine']['threading_layer']}")
    for (what, other), found in grouped(result["cases"]).items():
        mean = math.exp(sum(math.log(x) for x, _ in found) / len(found))
        worst, where = max(found)
        print(f"{what}: geometric mean {mean:.2f} of {other}'s time over {len(found)} cases, worst {worst:.2f} ({where})")


def grouped(rows):
    """{(kind of case, peer): [(median ratio, which case)]}."""
    found = {}
    for r in rows:
        what = r["name"] if r["group"] in ("network", "start") else r["group"]
        for other, x in r["ratios"].items():
            found.setdefault((what, other), []).append((x["median"], f"{r['name']}, {r['size']}"))
    return found


def duration(seconds):
    """A time with three digits and its unit."""
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
