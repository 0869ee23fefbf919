"""The instructions of tensor cores, which Numba has no function for.

A warp of 32 threads multiplies two small matrices that are spread over its registers: D = C + A B, with C and D of 16 x 8
float32, and A and B of 8 words along the sum. A word of 32 bits is two neighbors along the sum rounded to bf16, the first in
the lower half, or one number rounded to tf32. Thread 4 g + t of the warp holds

* of A, the words (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4);
* of B, the words (t, g), (t + 4, g);
* of C and D, the numbers (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1).

Products are exact, since twice 11 bits fit into float32; they are added up in float32. In the simulator the threads of a warp
meet, and one of them multiplies with NumPy.
"""

from numba import cuda, types

from dnnbook.cuda._vectors import SIMULATED

if SIMULATED:
    import threading

    import numpy as np

    WAIT = 60  # seconds for the other threads of a warp: what would be a deadlock becomes an error

    def bits(x):
        return int(np.float32(x).view(np.uint32))

    def bf16(x):
        return 0x7FFF if np.isnan(x) else (bits(x) + 0x7FFF + (bits(x) >> 16 & 1)) >> 16

    @cuda.jit(device=True)
    def pack_bf16(low, high):
        return np.uint32(bf16(high) << 16 | bf16(low))

    @cuda.jit(device=True)
    def round_tf32(x):
        return np.uint32(0x7FFFFFFF if np.isnan(x) else (bits(x) + 0x1000) & 0xFFFFE000)

    def pairs(words):
        """The numbers of matrices of words, two in each along the last axis."""
        halves = np.stack([words << np.uint32(16), words & np.uint32(0xFFFF0000)], axis=-1)
        return halves.reshape(*words.shape[:-1], -1).view(np.float32)

    def singles(words):
        """The numbers of matrices of words, one in each; tensor cores do not look at the last 13 bits."""
        return (words & np.uint32(0xFFFFE000)).view(np.float32)

    class Warp:
        """32 threads that meet: the registers that each brings, and what one of them makes of all."""

        def __init__(self):
            self.words, self.sums = np.zeros((32, 6), np.uint32), np.zeros((32, 4), np.float32)
            self.numbers = None
            self.meeting = threading.Barrier(32, self.multiply, WAIT)

        def multiply(self):
            words, sums = (x.reshape(8, 4, -1) for x in (self.words, self.sums))
            a, b, c = np.empty((16, 8), np.uint32), np.empty((8, 8), np.uint32), np.empty((16, 8), np.float32)
            for lower in (0, 1):
                c[8 * lower : 8 * lower + 8] = sums[..., 2 * lower : 2 * lower + 2].reshape(8, 8)
                b[:, 4 * lower : 4 * lower + 4] = words[..., 4 + lower]  # a row of b is a column of B
                for right in (0, 1):
                    a[8 * lower : 8 * lower + 8, 4 * right : 4 * right + 4] = words[..., 2 * right + lower]
            with np.errstate(all="ignore"):
                d = c + self.numbers(a) @ self.numbers(b).T
            for lower in (0, 1):
                sums[..., 2 * lower : 2 * lower + 2] = d[8 * lower : 8 * lower + 8].reshape(8, 4, 2)

    def mma(numbers):
        @cuda.jit(device=True)
        def mma(*registers):
            thread = threading.current_thread()
            number, lane = divmod(thread.thread_id, 32)
            warps = vars(thread._manager).setdefault("warps", {})
            warp = warps.get(number) or warps.setdefault(number, Warp())
            warp.words[lane], warp.sums[lane], warp.numbers = registers[:6], registers[6:], numbers
            warp.meeting.wait()
            return tuple(warp.sums[lane])

        return mma

    mma_bf16, mma_tf32 = mma(pairs), mma(singles)

else:
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    FLOAT, WORD = ir.FloatType(), ir.IntType(32)

    @intrinsic
    def pack_bf16(_context, low, high):
        """Two numbers rounded to bf16, to nearest even, in one word."""

        def generate(_context, builder, _signature, arguments):
            code = ir.InlineAsm(ir.FunctionType(WORD, [FLOAT] * 2), "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f")
            return builder.call(code, arguments)

        return types.uint32(types.float32, types.float32), generate

    @intrinsic
    def round_tf32(_context, x):
        """A number rounded to tf32, to nearest; what lies in the middle, away from 0: older GPUs know no other way."""

        def generate(_context, builder, _signature, arguments):
            code = ir.InlineAsm(ir.FunctionType(WORD, [FLOAT]), "cvt.rna.tf32.f32 $0, $1;", "=r,f")
            return builder.call(code, arguments)

        return types.uint32(types.float32), generate

    def mma(kind):
        text = f"mma.sync.aligned.{kind} {{$0, $1, $2, $3}}, {{$4, $5, $6, $7}}, {{$8, $9}}, {{$10, $11, $12, $13}};"
        constraints = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)

        @intrinsic
        def mma(_context, a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
            signature = types.UniTuple(types.float32, 4)(*[types.uint32] * 6, *[types.float32] * 4)

            def generate(context, builder, signature, arguments):
                kind = ir.FunctionType(ir.LiteralStructType([FLOAT] * 4), [WORD] * 6 + [FLOAT] * 4)
                four = builder.call(ir.InlineAsm(kind, text, constraints), arguments, attrs=("convergent",))
                numbers = [builder.extract_value(four, i) for i in range(4)]
                return context.make_tuple(builder, signature.return_type, numbers)

            return signature, generate

        return mma

    mma_bf16 = mma("m16n8k16.row.col.f32.bf16.bf16.f32")
    mma_tf32 = mma("m16n8k8.row.col.f32.tf32.tf32.f32")
