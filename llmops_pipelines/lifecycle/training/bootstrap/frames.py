# ruff: noqa: E501 (one line per group of statements or questions is the notation)
"""The sentence frames of the drills: what may be stated about an invented thing, and how one may ask for each part of it.

Data and its parser only; inventing values and putting passages together belongs in `drills.py`.
"""

from dataclasses import dataclass

# One block per frame: a line of typed slots, statements (S) and, per slot that can be asked for, questions.
# A question for slot `n` never shows `n`; every other slot it shows ties it to one sentence.
FRAMES_TEXT = """
x:thing n:metres
S The {x} is {n} tall. | The height of the {x} is {n}. | The {x} stands {n} high. | At {n}, the {x} is the tallest on the coast. | The {x} rises {n} above the water.
n How tall is the {x}? | What is the height of the {x}? | How high is the {x}? | How many metres high does the {x} stand?

x:thing n:metres m:metres
S The {x} is {n} long and {m} wide. | The {x} has a length of {n} and a width of {m}. | The {x} measures {n} in length and {m} across.
n How long is the {x}? | What is the length of the {x}?
m How wide is the {x}? | What is the width of the {x}?

x:thing n:year
S The {x} was built in {n}. | The {x} dates from {n}. | Work on the {x} ended in {n}. | The {x}, built in {n}, is still in use. | The {x} entered service in {n}. | The {x} was opened in {n}.
n When was the {x} built? | In which year was the {x} built? | What year does the {x} date from? | When did the {x} enter service? | In what year was the {x} opened? | How old is the {x}?

x:thing n:count
S The {x} carries {n} passengers. | Up to {n} passengers may travel on the {x}. | The {x} has room for {n} people. | The {x} is licensed for {n} passengers. | There are {n} seats on the {x}.
n How many passengers does the {x} carry? | How many people can travel on the {x}? | How many passengers may the {x} take? | What is the capacity of the {x}? | How many seats are there on the {x}?

x:thing n:count u:plural
S The {x} has {n} {u}. | There are {n} {u} at the {x}. | The {x} holds {n} {u}. | The {x} is fitted with {n} {u}. | The {x} carries {n} {u} at all times.
n How many {u} does the {x} have? | How many {u} are there at the {x}? | How many {u} are on the {x}? | What number of {u} does the {x} carry?

x:thing n:power
S The {x} is driven by a motor of {n}. | The {x} has an output of {n}. | The engine of the {x} gives {n}. | The {x} draws {n} at full load.
n How powerful is the {x}? | What is the output of the {x}? | How much power does the {x} give? | What does the {x} draw at full load?

x:thing n:speed
S The {x} runs at {n}. | The top speed of the {x} is {n}. | The {x} may not go faster than {n}. | The service speed of the {x} is {n}.
n How fast is the {x}? | What is the top speed of the {x}? | How fast does the {x} run? | What is the service speed of the {x}? | What is the speed limit of the {x}?

x:thing n:weight
S The {x} weighs {n}. | The weight of the {x} is {n}. | The {x} can lift {n}. | The {x} takes loads of up to {n}. | The limit for the {x} is {n}.
n How heavy is the {x}? | What does the {x} weigh? | How much can the {x} lift? | What load does the {x} take? | What is the limit for the {x}? | How much weight can the {x} bear?

x:thing n:money
S The {x} costs {n}. | The price of the {x} is {n}. | The {x} was bought for {n}. | A charge of {n} is made for the {x}. | The {x} is sold for {n}. | The fee for the {x} is {n}.
n How much does the {x} cost? | What is the price of the {x}? | How much was paid for the {x}? | What is the charge for the {x}? | How much is the {x}? | What is the fee for the {x}?

x:thing n:place
S The {x} is kept at {n}. | The {x} is in {n}. | The {x} stands at {n}. | You can find the {x} at {n}. | The {x} is stored at {n}. | The {x} lies beside {n}. | The {x} was moved to {n}.
n Where is the {x}? | Where is the {x} kept? | Where can I find the {x}? | At what place does the {x} stand? | Where is the {x} stored? | Where was the {x} moved?

x:thing n:person
S The {x} is run by {n}. | {n} is in charge of the {x}. | {n} looks after the {x}. | The {x} is the work of {n}. | The {x} was designed by {n}. | The keeper of the {x} is {n}. | {n} answers for the {x}.
n Who runs the {x}? | Who is in charge of the {x}? | Who looks after the {x}? | Who designed the {x}? | Who is the keeper of the {x}? | Who is responsible for the {x}?

p:person r:role
S {p} is the {r}. | {p} has been appointed {r}. | The {r} is {p}. | {p}, the {r}, signed the report. | The new {r} is called {p}. | {p} works as the {r}.
p Who is the {r}? | What is the name of the {r}? | Who works as the {r}? | What is the {r} called?
r What is {p}'s job? | What post does {p} hold? | What does {p} do? | As what does {p} work?

p:person r:role y:year
S {p} has been the {r} since {y}. | {p} became the {r} in {y}. | In {y} {p} was made the {r}.
y Since when has {p} been the {r}? | When did {p} become the {r}? | In which year was {p} made the {r}?
p Who became the {r} in {y}? | Who has been the {r} since {y}?

a:place b:place n:duration
S The crossing from {a} to {b} takes {n}. | It takes {n} to get from {a} to {b}. | The passage between {a} and {b} lasts {n}. | From {a} to {b} the boat needs {n}.
n How long does the crossing from {a} to {b} take? | How long is the trip from {a} to {b}? | How much time does the passage between {a} and {b} take? | How long does it take to reach {b} from {a}?

a:place t:clock x:thing
S The {x} leaves {a} at {t}. | At {t} the {x} departs from {a}. | The {x} sails from {a} at {t}. | The {x} reaches {a} at {t}.
t When does the {x} leave {a}? | At what time does the {x} depart from {a}? | What time does the {x} sail from {a}? | When does the {x} reach {a}?
a Where does the {x} leave from at {t}? | From which place does the {x} sail at {t}?

x:place t:clock u:clock
S The office at {x} opens at {t} and closes at {u}. | {x} is open from {t} to {u}. | Opening hours at {x} are {t} to {u}. | The ticket desk at {x} opens at {t} and shuts at {u}.
t When does the office at {x} open? | What time does {x} open? | From what time is {x} open? | When does the ticket desk at {x} open?
u When does the office at {x} close? | What time does {x} close? | Until when is {x} open? | When does the ticket desk at {x} shut?

x:thing d:date
S The {x} begins on {d}. | The {x} will be closed until {d}. | The {x} was checked on {d}. | On {d} the {x} failed. | The {x} is due on {d}. | The {x} took place on {d}.
d When does the {x} begin? | On what date did the {x} fail? | Until when will the {x} be closed? | When was the {x} checked? | When is the {x} due? | On which day did the {x} take place?

x:thing n:duration
S The {x} lasts {n}. | The {x} is checked every {n}. | The {x} must be kept for {n}. | The {x} is valid for {n}. | The {x} must be replaced every {n}. | The {x} runs for {n} without a charge. | The {x} took {n}. | The {x} stays open for {n}.
n How long does the {x} last? | How often is the {x} checked? | For how long must the {x} be kept? | How long is the {x} valid? | How often must the {x} be replaced? | How long does the {x} run without a charge? | How long did the {x} take? | For how long does the {x} stay open?

r:role v:deed n:duration
S The {r} must {v} within {n}. | Within {n} the {r} has to {v}. | The {r} should {v} every {n}. | The {r} has {n} to {v}.
n How soon must the {r} {v}? | Within what time does the {r} have to {v}? | How often should the {r} {v}? | How long does the {r} have to {v}?
r Who must {v} within {n}? | Who has to {v} within {n}? | Who should {v} every {n}?
v What must the {r} do within {n}? | What does the {r} have to do within {n}?

r:role v:deed
S Only the {r} may {v}. | The {r} is the one to {v}. | It is for the {r} to {v}. | The {r} must always {v}. | No one but the {r} is allowed to {v}.
r Who may {v}? | Who is allowed to {v}? | Who must {v}? | Whose job is it to {v}?
v What may only the {r} do? | What must the {r} always do?

c:happening v:deed
S If there is {c}, {v}. | In case of {c}, {v}. | When there is {c}, crews {v}. | After {c}, first {v}.
v What should I do in case of {c}? | What do crews do when there is {c}? | What must be done first after {c}? | What should be done if there is {c}?
c In what case should you {v}? | When do crews {v}?

x:thing c:happening
S The {x} was damaged by {c}. | The cause of the fault in the {x} was {c}. | The {x} stopped because of {c}. | {c} put the {x} out of service. | The {x} was delayed by {c}.
c What damaged the {x}? | What was the cause of the fault in the {x}? | Why did the {x} stop? | What put the {x} out of service? | Why was the {x} delayed? | What caused the trouble with the {x}?

x:thing m:stuff
S The {x} is made of {m}. | The {x} is painted with {m}. | The {x} burns {m}. | The {x} is filled with {m}. | The {x} was built from {m}. | The {x} is cleaned with {m}.
m What is the {x} made of? | With what is the {x} painted? | What does the {x} burn? | What is the {x} filled with? | What was the {x} built from? | What is used to clean the {x}? | What kind of fuel does the {x} use?

x:thing k:colour
S The {x} is painted {k}. | The {x} shows a {k} light. | The colour of the {x} is {k}. | The {x} is {k}. | A {k} flag marks the {x}.
k What colour is the {x}? | What light does the {x} show? | What is the colour of the {x}? | What flag marks the {x}? | Which colour is the {x} painted?

x:thing c:code
S The {x} uses channel {c}. | The number of the {x} is {c}. | The {x} is entered on form {c}. | The code for the {x} is {c}. | The {x} is listed under {c}.
c Which channel does the {x} use? | What is the number of the {x}? | On which form is the {x} entered? | What is the code for the {x}? | Under what is the {x} listed?

p:person a:place d:happening y:year
S In {y} {p} came to {a} after {d}. | {p} left {a} in {y} because of {d}. | After {d} in {y}, {p} moved to {a}.
p Who came to {a} in {y}? | Who left {a} because of {d}? | Who moved to {a} after {d}?
y When did {p} come to {a}? | In what year did {p} leave {a}? | In which year did {p} move to {a}?
a Where did {p} move after {d}? | Which place did {p} leave in {y}? | To where did {p} come in {y}?

p:person x:thing d:date
S {p} repaired the {x} on {d}. | On {d}, {p} found the {x}. | The {x} was tested by {p} on {d}. | {p} reported the loss of the {x} on {d}.
p Who repaired the {x}? | Who found the {x} on {d}? | By whom was the {x} tested? | Who reported the loss of the {x}?
x What did {p} repair on {d}? | What did {p} find? | What was tested by {p}? | Of what did {p} report the loss?
d When did {p} repair the {x}? | On what day did {p} find the {x}? | When was the {x} tested by {p}? | On what date did {p} report the loss of the {x}?

x:thing n:percent
S The {x} fell by {n}. | About {n} of the {x} was lost. | The {x} runs at {n} of its strength. | The {x} is {n} of the total. | Residents get {n} off the {x}.
n By how much did the {x} fall? | How much of the {x} was lost? | What share of the total is the {x}? | What discount do residents get on the {x}? | At what share of its strength does the {x} run?

g:group n:count u:plural
S {g} may take {n} {u} with them. | {g} are allowed {n} {u} each. | {g} must bring {n} {u}. | No more than {n} {u} are given to {g}.
n How many {u} may {g} take with them? | How many {u} are {g} allowed? | How many {u} must {g} bring? | How many {u} are given to {g}?

g:group m:money x:thing
S {g} pay {m} for the {x}. | For {g} the {x} costs {m}. | The {x} is {m} for {g}. | {g} who miss the {x} must pay {m}.
m How much do {g} pay for the {x}? | What does the {x} cost for {g}? | How much is the {x} for {g}? | What must {g} pay if they miss the {x}?

x:thing y:thing
S The {x} replaced the {y}. | The {x} stands next to the {y}. | The {y} was renamed the {x}. | The {x} is towed by the {y}. | The {x} is worked from the {y}. | The {x} needs the {y}.
x What replaced the {y}? | What stands next to the {y}? | What is towed by the {y}? | What is the new name of the {y}? | What is worked from the {y}? | What needs the {y}?
y What did the {x} replace? | By what is the {x} towed? | What was the {x} called before? | From where is the {x} worked? | What does the {x} need? | What is next to the {x}?

a:place n:count
S {a} has {n} inhabitants. | {n} people live in {a}. | The population of {a} is {n}. | In {a} there are {n} households. | {a} was visited by {n} people last year.
n How many inhabitants does {a} have? | How many people live in {a}? | What is the population of {a}? | How many households are there in {a}? | How many people visited {a} last year?

a:place n:metres
S The water at {a} is {n} deep. | At {a} the depth is {n}. | The quay at {a} is {n} long. | The tide at {a} rises {n}. | Boats drawing more than {n} cannot use {a}.
n How deep is the water at {a}? | What is the depth at {a}? | How long is the quay at {a}? | How far does the tide rise at {a}? | What is the greatest draught at {a}?

a:place x:thing
S {a} is known for the {x}. | The {x} can be hired in {a}. | Since last year {a} has had the {x}. | {a} got its name from the {x}. | The {x} is sold only at {a}.
x What is {a} known for? | What can be hired in {a}? | From what did {a} get its name? | What is sold only at {a}?
a Which place is known for the {x}? | Where can the {x} be hired? | Which place has had the {x} since last year? | Where is the {x} sold?
"""


@dataclass(frozen=True)
class Frame:
    """One kind of statement: `slots` name -> type, interchangeable statements, and questions per slot asked for."""

    slots: dict[str, str]
    statements: tuple[str, ...]
    questions: dict[str, tuple[str, ...]]


def parse_frames(text: str = FRAMES_TEXT) -> list[Frame]:
    """The frames written in `text`, in order."""
    frames = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        slots = dict(part.split(":") for part in lines[0].split())
        body = {line.split(" ", 1)[0]: tuple(line.split(" ", 1)[1].split(" | ")) for line in lines[1:]}
        frames.append(Frame(slots, body.pop("S"), body))
    return frames
