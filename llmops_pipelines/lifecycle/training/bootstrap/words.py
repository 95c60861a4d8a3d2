"""The words that drills are made of: what invented things, people and deeds may be called.

Word lists only; how they are put together belongs in `drills.py`.
"""


def split(text: str, separator: str | None = None) -> list[str]:
    """The words of `text`, or its phrases where a separator is given; line breaks count as blanks."""
    return [" ".join(part.split()) for part in text.split(separator)]


ONSETS = split("b br c ch d dr f fl g gr h j k kr l m n p pr r s sk sl st t th tr v w")
VOWELS = split("a e i o u a e i o ai ea ee oa ou y")
CODAS = split("l n r s t k m d sh nd rn rt ll ck x g th")
NOUNS = split("""
anchor alarm archive axle barge barrel basin beacon bell bench berth boiler book bottle bow bridge brush bucket buoy cabin
cable camera canteen card cargo ceremony chain chart chest chimney clinic clock coat committee compass contract cook course
crane crate crew cup davit deck depot desk diesel diver dock door drill drum duty engine exam fair fare fence ferry festival
fender filter fire flag floor fog fuel funnel gallery gangway garage gate gauge gear generator glass grant guard hall hammer
harbour hatch heater helmet hoist hook horn hose hull inquiry inspection jacket jetty key kiosk kitchen ladder lamp launch
lease ledger lens letter library licence lifeboat lift light line list lock locker log lounge machine manual map market mast
meeting mirror mooring motor museum net notice office oven paint panel parcel pass patrol permit photo pier pilot pipe plan
plate platform plug pole pond pontoon post propeller pump quay radio raft rail ramp record register report rescue road rope
route rudder rule saddle safe sail sample school screen seal season shed shelter shift ship shop shore signal siren slipway
spare staff stair station steam store storm strap supply survey switch table tank tap team tender terminal ticket tide timber
tool torch tow tower tower track trailer training trap tray trolley truck tug tunnel uniform valve van vault vessel wage walk
wall ward warehouse watch water weather wheel whistle winch window wing wire workshop yard
""")
ADJECTIVES = split("""
annual big black blue brass brown central cold daily deep double dry early eastern electric emergency empty first fixed
foreign free front great green grey half heavy high hot inner iron large last late left little local long lower main monthly
narrow new night north northern official oil old open outer plain portable private public quick rear red repaired reserve
right rusty safe sealed second short silver small south southern special spare steel summer temporary third thick tidal upper
weekly western white wide winter wooden yellow young
""")
PLURALS = split("""
bicycles blankets boats boxes bags beds bolts buckets buoys cabins cars chairs children clerks coats crew cups dogs engines
extinguishers flares gloves guests helmets houses jackets keys ladders lamps lanterns lifejackets machines masks nets nurses
officers pages pallets panels parcels passengers people pets places pumps rafts rooms ropes rounds screws seats sheep signals
spaces steps suitcases tables tests tickets tins torches towels trips tyres vans vehicles visitors volunteers windows workers
""")
ROLES = split(
    """
head of engineering | harbour master | safety officer | chief keeper | night clerk | duty officer | second mate | ship's cook
| yard foreman | pilot | radio operator | director | treasurer | stores manager | deputy mate | lookout | bosun | driver |
nurse | inspector | ticket clerk | crane driver | head of service | deck hand | engineer on watch | terminal manager | chair
of the board | apprentice | master | purser | diver | archivist | trainer | caretaker
""",
    "|",
)
VERBS = split(
    """
call | check | close | open | sign | lock | move | read | test | clean | count | report | send | stop | start | paint | carry
| lift | watch | wash | weigh | inform | leave | ring | write to | warn | follow | replace | fill | empty | lower | raise |
return | show | wear | collect | switch off | switch on | hand over | look after
""",
    "|",
)
HAPPENINGS = split(
    """
a broken shaft | thick fog | a fire in the galley | a fall of rock | a blocked pipe | heavy ice | a lost key | a flat battery
| an oil leak | a loose bolt | a late train | a storm from the west | low water | a wrong signal | a sick passenger | a man
overboard | a power cut | rust | a false alarm | a spring tide | a strike | a shortage of staff | a rope in the propeller |
lightning | a cracked window | a swarm of bees | high swell | a burnt fuse | a spilt cargo | salt in the filter | a strong
current | the great flood | a wedding | the end of the war
""",
    "|",
)
STUFF = split(
    """
oak | steel | cast iron | granite | brass | copper | canvas | light oil | marine diesel | red lead | sand | fresh water | salt
water | soap and water | glass wool | coal | paraffin | larch | concrete | tar | linseed oil | white paint | rubber | hemp |
slate | peat | aluminium | vinegar | battery power | biogas | grey wool | brick
""",
    "|",
)
COLOURS = split("red green white blue yellow black grey orange brown purple pink amber")
GROUPS = split(
    """
children under 6 | residents | students | visitors | cyclists | foot passengers | school groups | drivers | members of the
crew | volunteers | people over 67 | holders of a blue card | islanders | apprentices | keepers | dog owners | lorry drivers |
nurses on duty | families | season ticket holders | contractors | fishermen
""",
    "|",
)
MONTHS = split("January February March April May June July August September October November December")
SMALL = split("two three four five six seven eight nine ten twelve")
STARTERS = frozenset(
    split("""
After All And Any Are Before Both But Each Every For From Has Her His How Its Most Never Not One Only Please She Some That The
There These They This Three Two What When Where Who With You Your
""")
)
