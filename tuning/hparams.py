"""The trials as TensorBoard's HParams table; tensorboard is imported here only."""

import math
from pathlib import Path


def import_tensorboard():
    """Return what is needed of tensorboard.

    Raises:
        ValueError: if it is not installed.

    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams import summary as hparams
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise ValueError("--tensorboard needs tensorboard: pip install tensorboard.") from None
    return Event, hparams, EventFileWriter


def write_hparams(result, folder):
    """Write one run per completed trial: its hyperparameters, its score and its learning curve.

    Show it with `tensorboard --logdir FOLDER`.

    Args:
        result: `report.Result`.
        folder: where to write; a run already there gets another event file beside the old one.

    """
    Event, hparams, EventFileWriter = import_tensorboard()
    for row in result.leaderboard():
        name = f"trial_{row['trial']}"
        writer = EventFileWriter(str(Path(folder) / name))
        start = hparams.session_start_pb(hparams=row["values"], group_name=name)
        end = hparams.session_end_pb("STATUS_SUCCESS")
        for summary in (start, end):  # TensorFlow's or tensorboard's class of the same message
            event = Event()
            event.summary.ParseFromString(summary.SerializeToString())
            writer.add_event(event)
        for epoch, score in enumerate(row["scores"]):
            if math.isfinite(score):
                event = Event(step=epoch + 1)
                event.summary.value.add(tag=result.objective, simple_value=score)
                writer.add_event(event)
        writer.close()
