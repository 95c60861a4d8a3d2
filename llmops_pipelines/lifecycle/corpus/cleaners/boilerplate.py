"""What web pages and printed pages add to every text: menus, cookie notices, share buttons, running headers and footers.

Only lines that are nothing else are removed. In doubt a line stays: a list of links may be what a reader came for.
"""

import re
from collections import Counter

CODE = "boilerplate 1"
MENU_LINES = 4  # links in a row, at an end of the text
MENU_WORDS = 3  # different words that only menus have
PAGES = 3  # pages with the same line at the same end make it a running header or footer
SHARE_OF_PAGES = 0.6
NOTICE_CHARACTERS = 600
BUTTON_CHARACTERS = 160  # with the addresses of links

_LINK = r"\[[^\]\n]{0,80}\]\([^)\s]{0,400}\)"
_ITEM = re.compile(rf"^\s*(?:[-*+•]\s+)?(?:{_LINK}|[^\W\d_][^\n|]{{0,30}})\s*$")
_LINKED = re.compile(rf"^\s*(?:[-*+•]\s+)?{_LINK}\s*$")
_UNLINKED = re.compile(r"!?\[([^\]\n]{0,200})\]\([^)\s]{0,400}\)")
_BETWEEN = re.compile(r"[|·»]|(?<=\)) +(?=\[)")
_BULLET = re.compile(r"^[\s\-*+•>#]+")

# Whole lines, in lower case and without link addresses.
_BUTTONS = re.compile(
    r"[↑^▲\s]*(?:back to (?:the )?top|to top|top of (?:the )?page|skip to (?:the )?(?:main )?(?:content|navigation)|"
    r"jump to (?:content|navigation|search)|toggle (?:navigation|menu|search)|print this page|"
    r"nach oben|zum seitenanfang|zum inhalt springen|seite drucken|haut de (?:la )?page|retour en haut|aller au contenu|"
    r"volver arriba|ir al contenido|torna su|naar boven)[\s↑^▲.]*"
)
_NETWORK = r"(?:facebook|twitter|x|linkedin|whatsapp|pinterest|reddit|tumblr|telegram|e-?mail|xing|instagram|mastodon|bluesky)"
_SHARE = re.compile(
    rf"(?:share|tweet|teilen|partager|compartir|condividi|delen)(?: this)?(?: (?:page|article|post|story))?:?"
    rf"(?:[\s|·,/]*(?:(?:on|via|auf|sur|en|su|op|and|or) )?{_NETWORK})*|"
    rf"{_NETWORK}(?:[\s|·,/]+{_NETWORK}){{2,}}"
)
_COOKIE_BUTTON = re.compile(
    r"(?:(?:accept|reject|allow|decline|manage|deny|customi[sz]e)"
    r"(?: all| only necessary| necessary)?(?: cookies?| preferences)?|"
    r"(?:alle )?(?:cookies )?(?:akzeptieren|ablehnen)|(?:tout )?(?:accepter|refuser)|aceptar(?: todas?)?|"
    r"cookie[- ](?:settings|preferences|policy|notice|einstellungen))"
)
_COOKIE_USE = re.compile(
    r"\b(?:we|this (?:web)?site|our (?:web)?site|our partners|wir|nous|diese (?:web)?seite|ce site|este sitio)\b[^\n]{0,60}"
    r"\b(?:uses?|store|place|set|verwende[nt]|nutz(?:en|t)|utilis(?:ons|e)|utiliza(?:mos)?)\b[^\n]{0,60}\bcookies?\b"
)
_CONSENT = re.compile(
    r"\b(?:accept|agree|consent|by (?:continuing|using|browsing)|preferences|opt[- ]out|zustimm\w+|einverstanden|akzept\w+|"
    r"acceptez|en poursuivant|consentement|aceptas?|al continuar)\b"
)
_MENU_ITEMS = (
    "home|about|about us|contact|contact us|login|log in|sign in|sign up|register|search|menu|sitemap|site map|careers|jobs|"
    "privacy|privacy policy|terms|terms of use|terms of service|terms and conditions|imprint|legal|legal notice|newsletter|"
    "subscribe|cart|my account|account|help|faq|press|news|blog|shop|products|services|cookie policy|cookies|accessibility|"
    "startseite|über uns|kontakt|anmelden|impressum|datenschutz|suche|agb|karriere|"
    "accueil|à propos|connexion|mentions légales|recherche|plan du site|inicio|contacto|aviso legal|privacidad"
)
_MENU = frozenset(_MENU_ITEMS.split("|"))
_TRIGGERS = (
    *("cookie", "top", "skip to", "jump to", "toggle ", "print this", "share", "tweet", "teilen", "partager", "facebook"),
    *("twitter", "linkedin", "haut", "nach oben", "seiten", "inhalt", "contenu", "arriba", "contenido", "condividi", "delen"),
    *("torna su", "naar boven", "drucken", "compartir"),
)


def without_boilerplate(text: str) -> str:
    """The text without lines that are only boilerplate, and without what repeats at the ends of its pages."""
    if "\f" in text:
        text = _without_running_lines(text)
    lowered = text.lower()
    buttons = any(trigger in lowered for trigger in _TRIGGERS)
    menus = text.count("](") >= MENU_WORDS or any(sign in text for sign in "|\u00b7\u00bb")
    if not (buttons or menus):
        return text
    lines = text.split("\n")
    drop = _buttons(lines) if buttons else set()
    if menus:
        drop |= _menus(lines)
    if not drop:
        return text
    drop -= _fenced(lines)
    kept = [line for number, line in enumerate(lines) if number not in drop]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept))


def _fenced(lines: list[str]) -> set[int]:
    """Code blocks show what they show."""
    inside, found = False, set()
    for number, line in enumerate(lines):
        inside ^= line.lstrip(" ").startswith(("```", "~~~"))
        if inside:
            found.add(number)
    return found


def _words(line: str) -> str:
    """What a reader sees of a line, in lower case."""
    return _BULLET.sub("", _UNLINKED.sub(r"\1", line)).strip(" \t*_>|").lower()


def _buttons(lines: list[str]) -> set[int]:
    drop = set()
    notices = set()
    for number, line in enumerate(lines):
        if not line or line[0] == "|" or len(line) > NOTICE_CHARACTERS:
            continue
        seen = line.lower()
        if len(line) <= BUTTON_CHARACTERS:
            seen = _words(line)
            if _BUTTONS.fullmatch(seen) or _SHARE.fullmatch(seen):
                drop.add(number)
                continue
        if "cookie" in seen and _COOKIE_USE.search(seen) and _CONSENT.search(seen):
            notices.add(number)
    for notice in notices:
        near = [n for n in range(notice - 4, notice + 7) if 0 <= n < len(lines)]
        drop |= {notice, *(n for n in near if lines[n] and _COOKIE_BUTTON.fullmatch(_words(lines[n])))}
    return drop


def _menus(lines: list[str]) -> set[int]:
    """Runs of short link lines before the first or after the last real line; and lines such as Home | About | Login."""
    drop = {
        number
        for number, line in enumerate(lines)
        if not line.startswith("|") and len(line) < 800 and _is_menu(_BETWEEN.split(line))
    }
    filled = [number for number, line in enumerate(lines) if line and number not in drop]
    for numbers in (filled, filled[::-1]):
        run = []
        for number in numbers:
            if not _ITEM.match(lines[number]) or lines[number].lstrip().startswith("#"):
                break
            run.append(number)
        linked = [number for number in run if _LINKED.match(lines[number])]
        if len(linked) >= MENU_LINES and _is_menu([lines[number] for number in linked]):
            last = max(place for place, number in enumerate(run) if number in linked)
            drop.update(number for number in run[: last + 1] if number in linked or _words(lines[number]) in _MENU)
    return drop


def _is_menu(items: list[str]) -> bool:
    if len(items) < MENU_WORDS:
        return False
    seen = {_words(item) for item in items if len(item) <= BUTTON_CHARACTERS}
    known = seen & _MENU
    return len(known) >= MENU_WORDS and len(known) >= 0.4 * len(seen)


def _without_running_lines(text: str) -> str:
    """Lines that stand first or last on most pages, whatever number is in them. Headings and tables stay."""
    pages = [page.split("\n") for page in text.split("\f")]
    filled = [[number for number, line in enumerate(page) if line.strip()] for page in pages]
    seen = [count for count in filled if count]
    if len(seen) < PAGES:
        return text
    for end in (0, 1, -1, -2):
        places = [(page, numbers[end]) for page, numbers in zip(pages, filled, strict=True) if len(numbers) > 3]
        forms = Counter(_form(page[number]) for page, number in places)
        running = {form for form, count in forms.items() if form and count >= max(PAGES, SHARE_OF_PAGES * len(seen))}
        for page, number in places:
            if _form(page[number]) in running:
                page[number] = ""
    joined = "\f".join("\n".join(page) for page in pages)
    return re.sub(r"\n{3,}", "\n\n", joined)


def _form(line: str) -> str:
    line = line.strip()
    if len(line) > 120 or line.startswith(("|", "#", "```", "-", "*")):
        return ""
    return re.sub(r"\d+", "0", line)
