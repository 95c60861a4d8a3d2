"""Forms of common verbs, so that a statement can be turned into a question with do, does or did. Only words belong here."""

import re


def _words(text: str) -> list[str]:
    return text.split()


# Past forms that are not base + (e)d; the present follows from the base.
IRREGULAR = _words("""begin began buy bought bring brought build built catch caught come came cost cost cut cut draw drew
feed fed find found fly flew get got give gave grow grew hang hung hold held keep kept know knew lay laid lead led leave
left lend lent let let lie lay lose lost make made meet met pay paid put put ring rang rise rose run ran see saw
sell sold send sent set set shine shone sink sank sit sat spend spent stand stood take took teach taught tell
told wear wore win won write wrote""")
REGULAR = _words("""accept add allow answer appear arrive ask belong call carry change charge check clean close collect consist
contain cover cross deliver employ end expect fail finish follow guard handle help hire include inspect
introduce join land last launch live load measure move need offer open order own paint pass plan play print
produce protect provide pull purchase raise reach receive record remain rent repair replace report require
rescue retire return sail save seat serve show sign start stay stop store study supply support survey test train
use visit wait walk want warn wash watch weigh work""")


def _past(base: str) -> str:
    if base in ("plan", "stop"):
        return f"{base}{base[-1]}ed"
    if re.search(r"[^aeiou]y$", base):
        return f"{base[:-1]}ied"
    return f"{base}d" if base.endswith("e") else f"{base}ed"


def _present(base: str) -> str:
    if re.search(r"[^aeiou]y$", base):
        return f"{base[:-1]}ies"
    return f"{base}es" if re.search(r"(?:s|sh|ch|x|o)$", base) else f"{base}s"


IRREGULAR_PAST = IRREGULAR[1::2]
_PAST = {base: _past(base) for base in REGULAR} | dict(zip(IRREGULAR[::2], IRREGULAR_PAST, strict=True))
VERBS = {past: ("did", base) for base, past in _PAST.items()}  # form -> (helper, base): "held" -> ("did", "hold")
VERBS |= {form: found for base in _PAST for form, found in ((base, ("do", base)), (_present(base), ("does", base)))}
VERBS |= {"has": ("does", "have"), "have": ("do", "have"), "had": ("did", "have")}
