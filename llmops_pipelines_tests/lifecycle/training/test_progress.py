"""What a person sees while training runs."""

from llmops_pipelines.lifecycle.training import progress


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def steps(report, clock, numbers, seconds):
    for step in numbers:
        clock.now = round(clock.now + seconds, 6)
        report.step(step, loss=4.0 / step, learning_rate=0.001, tokens=100)


def test_first_last_and_one_line_every_five_seconds():
    clock, lines, sent = Clock(), [], []
    report = progress.Progress(100, lines.append, lambda points: sent.extend(p.step for p in points), clock=clock)
    report.begin([])
    steps(report, clock, range(1, 101), 0.1)
    assert [line.split("  ")[0] for line in lines] == ["step 1/100", "step 51/100", "step 100/100"]
    assert lines[1].endswith("lr 1.00e-03  1000 tokens/s  5 s left")
    assert sent == list(range(1, 101)), "MLflow gets every step, in order"


def test_a_resumed_run_goes_on_counting():
    clock, lines = Clock(), []
    report = progress.Progress(10, lines.append, clock=clock)
    report.begin(
        progress.from_rows([{"step": 5, "loss": None, "learning_rate": 1.0, "tokens_per_second": 1.0, "seconds": 7.5}])
    )
    steps(report, clock, [6], 2.0)
    assert lines == ["step 6/10  loss 0.6667  lr 1.00e-03  50 tokens/s  8 s left"]
    assert [row["seconds"] for row in report.as_rows()] == [7.5, 9.5]
    assert report.as_rows()[0]["loss"] is None, "a loss that was no number stays visible"


def point(step, loss=1.0):
    return progress.Point(step, loss, 0.001, 10.0, 1.0)


class Server:
    """Stands for an MLflow server that can be away."""

    def __init__(self):
        self.away, self.steps = False, []

    def log_batch(self, run_id, metrics, synchronous):
        if self.away:
            raise ConnectionError("away")
        self.steps += [(metric.step, metric.key) for metric in metrics]


def test_an_mlflow_server_that_is_away_does_not_stop_training_and_misses_nothing():
    warnings, server = [], Server()
    sink = progress.MlflowSink(server, "run", warnings.append)
    server.away = True
    sink([point(1)])
    sink([point(2)])
    server.away = False
    sink([point(3, loss=float("nan"))])
    assert len(warnings) == 1 and "training goes on" in warnings[0]
    assert [step for step, key in server.steps if key == "learning_rate"] == [1, 2, 3]
    assert (3, "loss") not in server.steps
