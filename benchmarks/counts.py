"""Systems under test count their tasks and objects when they are asked to by SIGUSR1; how leaks are seen from outside.

Only the standard library is used, since other frameworks' systems run in environments of their own.
"""

import gc
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType


def write_counts(path: Path, tasks: int) -> None:
    """Write the number of tasks and of Python objects; the file is complete whenever it can be read."""
    gc.collect()
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps({"tasks": tasks, "objects": len(gc.get_objects())}))
    os.replace(unfinished, path)


def answer_signal(path: Path | None, count_tasks: Callable[[], int]) -> None:
    """Have SIGUSR1 write the counts; without a file it does nothing, but must not end the process.

    Args:
        path: What to write.
        count_tasks: Called in the main thread, in between what runs there.
    """

    def write(number: int, frame: FrameType | None) -> None:
        del number, frame
        if path is not None:
            write_counts(path, count_tasks())

    signal.signal(signal.SIGUSR1, write)
