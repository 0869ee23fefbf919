"""Loads and stores of four neighbors at once (128 bits), which Numba has no function for.

``load4(array, i)`` gives elements i to i + 3, ``store4(array, i, w, x, y, z)`` writes them. Elements have 32 bits. The address
of element i must be a multiple of 16 bytes. In the simulator a wrong address is an error.
"""

from numba import cuda, types
from numba.core import config

SIMULATED = bool(config.ENABLE_CUDASIM)

if SIMULATED:

    @cuda.jit(device=True)
    def load4(array, i):
        hold(array, i)
        w, x, y, z = array[i : i + 4]
        return w, x, y, z

    @cuda.jit(device=True)
    def store4(array, i, w, x, y, z):
        hold(array, i)
        array[i : i + 4] = w, x, y, z

    def hold(array, i):
        if i % 4 or not 0 <= i <= len(array) - 4:
            raise IndexError(f"elements {i} to {i + 3} of {len(array)}: not aligned, or not inside")

else:
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    LANES = [ir.Constant(ir.IntType(32), lane) for lane in range(4)]

    def address(context, builder, kind, array, i):
        data = context.make_array(kind)(context, builder, array).data
        four = ir.VectorType(context.get_data_type(kind.dtype), 4)
        place = builder.zext(i, ir.IntType(64))  # indices are not negative, and more than one instruction if they could be
        return builder.bitcast(builder.gep(data, [place]), ir.PointerType(four)), four

    @intrinsic
    def load4(_context, array, i):
        signature = types.UniTuple(array.dtype, 4)(array, i)

        def generate(context, builder, signature, arguments):
            four = builder.load(address(context, builder, signature.args[0], *arguments)[0])
            four.align = 16
            parts = [builder.extract_element(four, lane) for lane in LANES]
            return context.make_tuple(builder, signature.return_type, parts)

        return signature, generate

    @intrinsic
    def store4(_context, array, i, w, x, y, z):
        signature = types.void(array, i, *[array.dtype] * 4)

        def generate(context, builder, signature, arguments):
            where, kind = address(context, builder, signature.args[0], *arguments[:2])
            four = ir.Constant(kind, ir.Undefined)
            for lane, value in zip(LANES, arguments[2:], strict=True):
                four = builder.insert_element(four, value, lane)
            builder.store(four, where).align = 16
            return context.get_dummy_value()

        return signature, generate
