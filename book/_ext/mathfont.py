"""Cuts a web font out of an OpenType MATH font, mending what Chromium does not do with it."""

from fontTools import subset
from fontTools.ttLib import TTFont

# Latin, accents, Greek, punctuation, letterlike, arrows, operators, fences, shapes, mathematical alphabets
BLOCKS = [
    *[(0x20, 0x17F), (0x2B0, 0x2FF), (0x300, 0x338), (0x370, 0x3FF), (0x2000, 0x206F), (0x20D0, 0x20F0), (0x2100, 0x214F)],
    *[(0x2190, 0x22FF), (0x2300, 0x232F), (0x239B, 0x23E1), (0x25A0, 0x25FF), (0x2713, 0x2713), (0x27C0, 0x27FF)],
    *[(0x2900, 0x2AFF), (0x1D400, 0x1D7FF)],
]
PRIMES = (0x2032, 0x2033, 0x2034, 0x2035, 0x2057)
ACCENTS = (0x302, 0x303, 0x306, 0x30C, 0x20D6, 0x20D7, 0x20E1)
FAMILY_NAMES = (1, 3, 4, 6, 16)  # of the font's name table


def cut(source, target):
    """Write the part of `source` that the book needs to the woff2 file `target`."""
    font = TTFont(source)
    script_primes(font)
    accent_widths(font)
    arrow_overlaps(font)
    options = subset.Options(
        flavor="woff2",
        hinting=False,
        layout_features=["ssty", "flac", "dtls", "ccmp"],
        name_IDs=[0, 1, 2, 5, 13, 14],
        notdef_outline=True,
        glyph_names=False,
    )
    for record in font["name"].names:  # its license wants another name for a changed font
        if record.nameID in FAMILY_NAMES:
            record.string = "Bookmath"
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[u for first, last in BLOCKS for u in range(first, last + 1)])
    cutter.subset(font)
    subset.save_font(font, target, options)


def script_primes(font):
    """Chromium ignores the ssty feature: make the script-size prime the plain one."""
    glyphs = set(font.getGlyphOrder())
    for table in font["cmap"].tables:
        for u in PRIMES:
            if f"{table.cmap.get(u)}.ssty" in glyphs:
                table.cmap[u] += ".ssty"


def accent_widths(font):
    """Chromium centers an accent by its advance width: give accents without width a real box."""
    cmap, maths = font.getBestCmap(), font["MATH"].table
    variants = maths.MathVariants
    wide = dict(zip(variants.HorizGlyphCoverage.glyphs, variants.HorizGlyphConstruction, strict=True))
    names = [cmap[u] for u in ACCENTS if u in cmap]
    for name in list(names):
        names += [r.VariantGlyph for r in getattr(wide.get(name), "MathGlyphVariantRecord", None) or []]
    attachment = maths.MathGlyphInfo.MathTopAccentAttachment
    for name in dict.fromkeys(names):
        glyph = font["glyf"][name]
        if font["hmtx"][name][0] == 0 and glyph.numberOfContours > 0:
            shift = -glyph.xMin
            glyph.coordinates.translate((shift, 0))
            glyph.recalcBounds(font["glyf"])
            font["hmtx"][name] = (glyph.xMax, 0)
            if name in attachment.TopAccentCoverage.glyphs:
                attachment.TopAccentAttachment[attachment.TopAccentCoverage.glyphs.index(name)].Value += shift


def arrow_overlaps(font):
    """Chromium drops an assembly whose parts overlap less than the font's minimum, as its long arrows do."""
    variants = font["MATH"].table.MathVariants
    least = variants.MinConnectorOverlap
    for construction in (variants.HorizGlyphConstruction or []) + (variants.VertGlyphConstruction or []):
        parts = construction.GlyphAssembly.PartRecords if construction.GlyphAssembly else []
        for i, part in enumerate(parts):
            if i > 0 or part.PartFlags:
                part.StartConnectorLength = max(part.StartConnectorLength, least)
            if i < len(parts) - 1 or part.PartFlags:
                part.EndConnectorLength = max(part.EndConnectorLength, least)
