"""Makes a corpus of N Markdown documents, always the same for the same numbers: what the scale figures are measured on.

    python benchmarks/corpus.py /tmp/corpus --documents 100000 --characters 600

Every document says something of its own, one in fifty is a near-duplicate of the one before it, and one in ten has a table.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

SUBJECTS = """the pump|a technician|the night shift|our supplier|the harbour master|the control room|an auditor
|the new server|the customer|a courier|the maintenance team|the finance office|the gateway|a volunteer
|the laboratory|the warehouse|the driver|the planner|a second reviewer|the archive|the call centre|the insurer
|the workshop|an apprentice""".replace("\n", "").split("|")
VERBS = """checks|replaces|reports|forwards|measures|closes|repairs|signs|refuses|delivers|schedules|documents|inspects
|cleans|counts|restores|calibrates|approves|collects|returns|labels|moves|orders|seals""".replace("\n", "").split("|")
THINGS = """the cooling valve|every open ticket|the spare key|a damaged pallet|the weekly report|the fuel sample|an invoice
|the backup disk|a late shipment|the safety notice|the meter reading|a broken seal|the access list
|the second contract|the test certificate|a missing parcel|the emergency lamp|the cargo manifest
|the room booking|the firmware image|a warranty claim|the loading plan|the water filter|a visitor badge""".replace(
    "\n", ""
).split("|")
TIMES = """before noon|after each run|on the first Monday|within two days|during the break|at the end of the quarter
|once a month|without delay|after the inspection|when the alarm stops|before the ferry leaves
|as soon as the form is complete|every Thursday|until further notice|in the second week|after a power cut""".replace(
    "\n", ""
).split("|")
PLACES = """in hall seven|at the north gate|near the quay|on the upper deck|in the cold store|at the front desk
|behind the workshop|in the basement|at platform three|in the annex|beside the crane|in the reading room
|at the depot|in the server room""".replace("\n", "").split("|")
REASONS = """because the pressure has fallen|so that nobody has to wait|as the contract demands
|since the last audit found gaps|unless the manager decides otherwise|to keep the record complete
|because parts are scarce|so that the figures agree|as the weather allows|because two people must sign""".replace(
    "\n", ""
).split("|")


def sentence(draw: random.Random) -> str:
    words = [draw.choice(SUBJECTS), draw.choice(VERBS), draw.choice(THINGS)]
    words += draw.sample([draw.choice(TIMES), draw.choice(PLACES), draw.choice(REASONS)], draw.randint(1, 3))
    text = " ".join(words)
    number = f" (form {draw.randint(100, 99_999)})" if draw.random() < 0.3 else ""
    return f"{text[0].upper()}{text[1:]}{number}."


def document(number: int, characters: int) -> str:
    """Text of about `characters` characters. Document 50 n + 1 repeats document 50 n but for its last sentence."""
    twin = number % 50 == 1
    draw = random.Random(number - twin)
    lines = [f"# Procedure {number - twin}: {draw.choice(THINGS)} {draw.choice(PLACES)}", ""]
    length = 0
    while length < characters:
        sentences = draw.randint(3, 6) if characters > 200 else draw.randint(1, 2)
        paragraph = " ".join(sentence(draw) for _ in range(sentences))
        lines += [paragraph, ""]
        length += len(paragraph)
        if length < characters and draw.random() < 0.3:
            lines += [f"## {draw.choice(THINGS).capitalize()}", ""]
    if draw.random() < 0.1:
        lines += ["| item | place | count |", "| --- | --- | --- |"]
        lines += [f"| {draw.choice(THINGS)} | {draw.choice(PLACES)} | {draw.randint(1, 999)} |" for _ in range(5)]
    lines += [sentence(random.Random(-number))] if twin else []
    return "\n".join(lines) + "\n"


def documents(count: int, characters: int) -> Iterator[tuple[str, str]]:
    """(path below the folder, text): a thousand files per folder."""
    for number in range(count):
        yield f"{number // 1000:05d}/{number:08d}.md", document(number, characters)


def write(folder: Path, count: int, characters: int) -> int:
    """Write them all. Returns the bytes written."""
    size = 0
    for name, text in documents(count, characters):
        path = folder / name
        if name.endswith("000.md"):
            path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_bytes(text.encode())
    return size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--characters", type=int, default=600)
    arguments = parser.parse_args()
    size = write(arguments.folder, arguments.documents, arguments.characters)
    print(f"{arguments.documents:,} documents, {size / 1e6:.1f} MB in {arguments.folder}")
