"""``python -m dnnbook verify``: hold every printed formula against the code; ``bench``: how fast the code is."""

import argparse
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m dnnbook", description="The printed formula is the tested formula.")
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="check every formula of the installed package; exit status 1 if one fails")
    verify.add_argument("names", nargs="*", metavar="NAME", help="function, module or equation label; all by default")
    verify.add_argument("--json", metavar="FILE", help="write the ledger to this file")
    verify.add_argument(
        "--all-float32", action="store_true", help="instead, try activations with every float32 number and keep the result"
    )
    bench = commands.add_parser("bench", help="time the functions next to peers and to the limits of the machine")
    bench.add_argument("names", nargs="*", metavar="CASE", help="part of a case's name or size; all by default")
    bench.add_argument("--peers", default="", metavar="torch,jax", help="compare with these: torch, torch.compile, jax")
    bench.add_argument("--json", metavar="FILE", help="write what was measured to this file")
    bench.add_argument("--seconds", type=float, default=1.0, help="time for each case")
    bench.add_argument("--cuda", action="store_true", help="instead, check and time the kernels of dnnbook.cuda on this GPU")
    options = parser.parse_args(argv)
    try:
        if options.command == "bench" and options.cuda:
            from dnnbook.cuda.bench import bench as run

            try:
                run(options.names, options.json, options.seconds)
            except (RuntimeError, ArithmeticError) as error:  # no GPU, or a kernel is wrong
                parser.exit(2, f"python -m dnnbook: {error}\n")
            return 0
        if options.command == "bench":
            from dnnbook.bench import bench as run

            run(options.names, [p for p in options.peers.split(",") if p], options.json, options.seconds)
            return 0
        from dnnbook.formula import every32, ledger

        if options.all_float32:
            return 0 if every32.verify(options.names) else 1
        return 0 if ledger.verify(options.names, options.json) else 1
    except (ImportError, ValueError) as error:
        parser.exit(2, f"python -m dnnbook: {error}\n")


if __name__ == "__main__":
    sys.exit(main())
