"""What went wrong, in one line and in the user's words."""

import contextlib
import re

# what Keras and TensorFlow write around the line that says what is wrong
HEADERS = r'\[\[|Traceback|File "|Detected at|Graph execution error|in user code|<stack traces'
HEADERS += r"|Exception encountered when|\d+ (root error|successful operation|derived error)"
# in the errors of TensorFlow and JAX, of copies to a full GPU, of cuDNN and cuBLAS
OUT_OF_MEMORY = r"resource_?exhausted|out of memory|dst tensor is not initialized"
OUT_OF_MEMORY += r"|no algorithm worked|status_alloc_failed"


class InputError(ValueError):
    """What was given cannot work; the text is a sentence of our own that says why."""


@contextlib.contextmanager
def naming(what):
    """Turn whatever the user's code or Keras raises into an InputError that begins so."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        text = f"{what} {type(error).__name__}: {telling_line(str(error))}"
        raise InputError(text.rstrip(": ")) from error


def telling_line(text):
    """Return the line of an error message, or of a traceback, that says what is wrong."""
    text = re.sub(r"\x1b\[\d*m|{{function_node .*?}} ", "", text).strip()
    text = text.partition("Arguments received by")[0]
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not re.match(HEADERS, line)] or lines or [""]
    is_stack = text.startswith(("Graph execution error", "in user code", "Traceback"))
    return telling[-1 if is_stack else 0]


def is_out_of_memory(error):
    """Whether an exception of any backend says that memory ran out."""
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or bool(re.search(OUT_OF_MEMORY, text))
