"""A slot of an ended run is told, and one of a working run is not."""

from llmops_pipelines.oncall.examinations import pools
from llmops_pipelines_tests.oncall.ward import Ward, said


def test_a_slot_that_an_ended_run_holds_is_wrong(sick: Ward):
    storage = sick.instance.event_log_storage
    storage.set_concurrency_slots("training", 1)
    run = sick.run("quickstart__retrain_job")
    storage.claim_concurrency_slot("training", run.run_id, "quickstart__checkpoint")
    assert said(sick.look(pools.examine), "pools").severity == "fine"

    sick.instance.handle_run_event(run.run_id, _failed(run.job_name))
    found = said(sick.look(pools.examine), "pool training")
    assert found.severity == "wrong" and "which ended (failure)" in found.sentence

    waits = sick.run("quickstart__retrain_job")
    storage.claim_concurrency_slot("training", waits.run_id, "quickstart__checkpoint")
    told = [each for each in sick.look(pools.examine, later=7_200) if each.severity == "look"]
    assert [each.sentence for each in told] == ["1 steps wait for a slot, the first for 2 h"]


def _failed(job: str):
    import dagster as dg

    return dg.DagsterEvent("PIPELINE_FAILURE", job, event_specific_data=None)
