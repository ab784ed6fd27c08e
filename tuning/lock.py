"""One process at a time searches in a folder; the system drops the lock of one that is killed."""

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: nobody is kept out there
    fcntl = None

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder):
    """Keep other searches out of a folder, which is made if need be.

    Raises:
        ValueError: if another process searches in it, or nothing can be written there.

    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOCK, "a+")  # noqa: SIM115
    except OSError as error:
        raise ValueError(f"The search cannot be kept in {folder}: {error.strerror}.") from None
    with file:
        _lock(file, folder)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if [path.name for path in folder.iterdir()] == [LOCK]:  # the search never began
                    (folder / LOCK).unlink()
                    folder.rmdir()
            if fcntl is not None:  # a child process may hold the file open for longer
                with contextlib.suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_UN)


def _lock(file, folder):
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise ValueError(
            f"{folder} is being searched by process {file.read()}; wait for it or choose another "
            "name."
        ) from None
    except OSError:  # a disk that knows no locks: nobody is kept out there
        return
