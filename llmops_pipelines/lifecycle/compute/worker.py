"""One worker process: gets stage functions and record batches through a pipe, answers with record batches.

It holds only its own end of the pipe, so it sees when the parent is gone, and ends; nobody has to look for orphans.
"""

import os
import pickle
import signal
import sys
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Refusal

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pyarrow as pa


class WorkerLost(Refusal):
    """A worker process died, or never began."""


class Worker:
    """The parent's side. One caller at a time."""

    def __init__(self, threads: int) -> None:
        from multiprocessing import get_context

        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, threads), daemon=True, name="compute worker")
        self._process.start()
        theirs.close()
        self._knows: bytes | None = None

    def ask(self, stage: bytes, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        """`stage` is pickled, and sent when it is another than last time. Raises what the stage function raises."""
        try:
            self._pipe.send((None if self._knows is stage else stage, _packed(batch)))
            self._knows = stage
            made, error = self._pipe.recv()
        except (EOFError, OSError) as gone:
            raise WorkerLost(self._epitaph()) from gone
        if error is not None:
            raise error
        return _unpacked(made)

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def _epitaph(self) -> str:
        self._process.join(5)
        code = self._process.exitcode or 0
        if code >= 0:
            return (
                f"compute: a worker process ended with exit code {code} before it answered; see its output above, and keep "
                "code of a script that calls this under if __name__ == '__main__'"
            )
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        likely = ", most likely for lack of memory; use fewer workers or a larger machine" if name == "SIGKILL" else ""
        return f"compute: a worker process was ended by {name}{likely}; what was finished is kept, run it again"


def _work(pipe: "Connection", threads: int) -> None:
    """Runs in the worker until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _use(threads)
    stage = None
    while True:
        try:
            given, batch = pipe.recv()
        except (EOFError, OSError):
            return
        if given is not None:
            stage = None
        answer: tuple[bytes | None, Exception | None]
        try:
            stage = stage or pickle.loads(given)
            answer = _packed(stage(_unpacked(batch))), None
        except Exception as error:
            answer = None, _sendable(error)
        try:
            pipe.send(answer)
        except OSError:
            return


def _use(threads: int) -> None:
    """Libraries that are loaded later read these; torch may be there already through the script that started all this."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    os.environ.update(dict.fromkeys(names, str(threads)))
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def _packed(batch: "pa.RecordBatch") -> bytes:
    """As an Arrow stream: pickle would send the whole buffers that a slice looks into."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _unpacked(stream: bytes) -> "pa.RecordBatch":
    import pyarrow as pa

    with pa.ipc.open_stream(stream) as batches:
        return batches.read_next_batch()


def _sendable(error: Exception) -> Exception:
    """The error with the traceback of the worker as a note; errors that cannot travel as their text."""
    import traceback

    if not isinstance(error, Refusal):
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # what an error that cannot be pickled raises depends on what it holds
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
