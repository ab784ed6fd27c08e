"""Learning rate and batch size of a Keras model, searched with keras-tuner."""

__all__ = ["load", "search"]


def __getattr__(name):
    """Import `search` and `load` at their first use: `python -m tuning --help` needs no Keras."""
    if name == "search":
        from tuning.search import search as found
    elif name == "load":
        from tuning.report import load as found
    else:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    globals()[name] = found  # importing the module `tuning.search` has put that in its place
    return found
