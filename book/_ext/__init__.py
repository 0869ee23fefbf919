"""The Sphinx side of the book: one small extension per promise."""
