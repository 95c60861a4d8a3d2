"""The judge: a language model that scores answers through ragas' metrics, pinned, examined on anchors before it is believed.

What an answer is compared with when no model judges is in the other files of evaluation/.
"""

from .anchors import JudgeError
from .examination import CODE, examine
from .judging import Opinions, judged

__all__ = ["CODE", "JudgeError", "Opinions", "examine", "judged"]
