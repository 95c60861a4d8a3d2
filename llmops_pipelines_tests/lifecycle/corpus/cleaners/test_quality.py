"""Texts that nobody would read are told from tables, code and ordinary prose."""

import pytest

from llmops_pipelines.lifecycle.corpus.cleaners.quality import Thresholds, problem

from ..formats.small_files import SUBJECTS, prose


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("low_quality_letters", "= 12 + 33 / 7 * (4 - 9) ; " * 20),
        ("low_quality_letters", "·•·•·•·— " * 60),
        ("repeated_lines", "Loading, please wait for the page.\n" * 20 + prose("harbour", 2)),
        ("repeated_words", "buy cheap tickets now " * 40 + prose("harbour", 2)),
        ("repeated_words", "ha " * 300),
    ],
)
def test_what_nobody_would_read_has_a_reason_and_a_number(reason, text):
    found = problem(text, Thresholds())
    assert found is not None and found[0] == reason and "%" in found[1]
    assert problem(text, Thresholds(0.0, 1.0, 1.0)) is None


@pytest.mark.parametrize(
    "text",
    [
        *(prose(subject) for subject in SUBJECTS),
        "| 12 | 13 |\n" * 100,
        "Prices of the year.\n\n" + "| 12.50 | 13.50 |\n" * 100,
        "```\n" + "x = 1 + 2\n" * 100 + "```\nThe loop above is long.",
        "12 + 13 = 25",
        "港口的渡轮每天早上九点离开，晚上回来的时候码头上所有的灯都亮着。" * 3
        + "旅客应当提前二十分钟到达，并在窗口购买船票。" * 3,
        "नौका सुबह नौ बजे बंदरगाह से निकलती है और रात को लौटती है जब घाट की सभी बत्तियाँ जल रही होती हैं। "
        + "यात्री घाट पर बीस मिनट पहले पहुँचें और खिड़की से टिकट खरीदें।",
        "1. Lift the cover.\n2. Turn the valve.\n3. Wait for the lamp.\n" + prose("engine"),
    ],
)
def test_tables_code_lists_and_other_scripts_pass(text):
    assert problem(text, Thresholds()) is None
