"""Whose file is it: what learning platforms, browsers and students make of a file's name.

Pure functions of names; ``collect`` reads and copies the files.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

#: How platforms name a student's folder, or file; "file" is what the student called it.
PLATFORMS = {
    # "Ada Lovelace_4711_assignsubmission_file_" with a1.ipynb in it, or "…_file_a1.ipynb"
    "Moodle": r"(?P<student>.+?_\d+)_assignsubmission_[a-z]+_?(?P<file>.*)",
    # "lovelaceada_LATE_4711_31415_a1-1.ipynb", "anon_xY3kP_31415_a1.ipynb"
    "Canvas, anonymous": r"(?P<student>anon\w*?_\w+?)_(?:LATE_)?(?:\d+_)+(?P<file>.+)",
    "Canvas": r"(?P<student>[^\W\d_][^_]*)_(?:LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)",
    # "Sheet 1_al4711_attempt_2026-01-31-12-00-00_a1.ipynb", and "….txt" about the attempt
    "Blackboard": r".+_(?P<student>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})_?(?P<file>.*)",
    # "4711-31415 - Ada Lovelace - Jan 31, 2026 1200 PM" with a1.ipynb in it, or "… PM - a1.ipynb"
    "Brightspace": r"(?P<number>\d+)-\d+ - (?P<student>.+?) - (?P<when>[^-]*\d{4}[^-]*)"
    r"(?: - (?P<file>.+))?",
}

#: What systems leave behind, and what platforms add: nobody's work.
DEBRIS = re.compile(
    r"(?:.*/)?(?:__MACOSX/.*|\._.*|\.DS_Store|Thumbs\.db|desktop\.ini|~\$.*|\.git/.*"
    r"|\.ipynb_checkpoints/.*|timestamp\.txt)",
    re.IGNORECASE,
)

#: What a platform writes about a student's work: Blackboard's slip, Moodle's box for text.
SLIP = re.compile(r"(?:.*/)?(?:.+_attempt_\d{4}(?:-\d\d){5}\.txt|onlinetext\.html)")

#: What a browser or an editor puts before the name of a copy.
COPY_OF = re.compile(
    r"^(?:copy of|copia di|copia de|cópia de|kopie von|copie de|kopia|kopi af|kopie van)\b\s*",
    re.IGNORECASE,
)
_DRIVE_STAMP = re.compile(r"-\d{8}T\d{6}Z(?:-\d+)*")  # what Google Drive puts behind a zip's name


@dataclass(frozen=True)
class Owner:
    """Who a file belongs to, as its name says.

    Args:
        student: the name, as it stands there.
        number: what else tells this student from others of the same name, or "".
        file: the name that the student gave the file.
        when: the time of the attempt as the platform writes it, or "".
        doubt: why a person should look at this, or "".
    """

    student: str
    number: str = ""
    file: str = ""
    when: str = ""
    doubt: str = ""


def plain(name: str) -> str:
    """A name without case, accents, spaces and signs.

    >>> plain("Copy of A1_total-variation (2).ipynb"), plain("Zoë Müller"), plain("李明")
    ('copyofa1totalvariation2ipynb', 'zoemuller', '李明')
    """
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in decomposed if letter.isalnum())


def stem(file: str) -> str:
    """A file's name without its ending; browsers on Windows add a second one.

    >>> stem("a1.ipynb.txt"), stem("a1.v2.ipynb"), stem("a1")
    ('a1', 'a1.v2', 'a1')
    """
    return re.sub(r"(?:\.ipynb)?(?:\.(?:ipynb|json|txt))?$", "", file, flags=re.IGNORECASE)


def which(file: str, released: Sequence[str]) -> str | None:
    """Which released notebook a file is, or None.

    >>> which("Copia di a1_total_variation.ipynb (1).ipynb", ["a1_total_variation"])
    'a1_total_variation'
    """
    fitting = [name for name in released if plain(name) in plain(stem(file))]
    return max(fitting, key=len, default=None)


def notebook(file: str, released: Sequence[str]) -> str | None:
    """Which released notebook a file stands for: by its name, or as the only one; or None.

    >>> notebook("homework.ipynb", ["a1_total_variation"]), notebook("homework.ipynb", ["b1", "b2"])
    ('a1_total_variation', None)
    """
    only = released[0] if len(released) == 1 else None
    return which(file, released) or only


def number(file: str) -> int:
    """The number of a copy: browsers and Canvas count downloads.

    >>> [number(name) for name in ("a1.ipynb", "a1 (2).ipynb", "a1-3.ipynb", "Copy of a1.ipynb")]
    [0, 2, 3, 0]
    """
    found = re.search(r"(?:\((\d+)\)|-(\d+))$", stem(file).strip())
    return int(found[1] or found[2]) if found else 0


def folder_name(student: str) -> str:
    """A student's name as the name of a folder.

    >>> folder_name("Ada Lovelace"), folder_name("../O'Hara, J. ")
    ('Ada-Lovelace', 'O-Hara-J')
    """
    name = re.sub(r"[^\w.@-]+", "-", unicodedata.normalize("NFC", student))
    return name.strip("-.")[:100]


def work(places: Sequence[str]) -> list[str]:
    """The places of files that somebody handed in.

    >>> work(["1-2 - Ada - Jan 31, 2026 1200 PM/a1.ipynb", "index.html", "__MACOSX/._a1.ipynb"])
    ['1-2 - Ada - Jan 31, 2026 1200 PM/a1.ipynb']
    """
    lists = set()  # Brightspace puts index.html beside the students' folders
    for place in places:
        parts = place.split("/")
        for depth, part in enumerate(parts):
            if re.fullmatch(PLATFORMS["Brightspace"], part):
                lists.add("/".join([*parts[:depth], "index.html"]))
    return [p for p in places if p not in lists and not DEBRIS.fullmatch(p)]


def is_slip(place: str) -> bool:
    """Whether a platform wrote this file about a student's work.

    >>> is_slip("Sheet 1_al4711_attempt_2026-01-31-12-00-00.txt")
    True
    """
    return SLIP.fullmatch(place) is not None


def owners(places: Sequence[str], released: Sequence[str]) -> dict[str, Owner | None]:
    """Say whose each file is.

    Args:
        places: paths below the folder of downloads, with "/", as a list.
        released: the names of the assignment's notebooks.

    Returns:
        {place: Owner}; a place that tells no student has None.

    >>> names = ["a1_total_variation"]
    >>> [owners([place], names)[place].student for place in (
    ...     "CS101/Ada_101_assignsubmission_file_/a1.ipynb", "van_dyke_a1_total_variation.ipynb",
    ...     "CS101/12-34 - Ada Lovelace - Jan 31, 2026 1200 PM/work.ipynb")]
    ['Ada_101', 'van_dyke', 'Ada Lovelace']
    """
    found = {place: _by_platform(place) for place in places}
    others = [place for place, owner in found.items() if owner is None]
    return found | _by_folders(others, released)


def _by_platform(place: str) -> Owner | None:
    """The owner that the outermost folder, or the file, names in a platform's way; or None."""
    parts = place.split("/")
    for part in parts:
        for pattern in PLATFORMS.values():
            if match := re.fullmatch(pattern, part):
                named = match.groupdict()
                own = named.get("file") if part is parts[-1] else parts[-1]
                return Owner(
                    named["student"], named.get("number") or "", own or "", named.get("when") or ""
                )
    return None


def _by_folders(places: Sequence[str], released: Sequence[str]) -> dict[str, Owner | None]:
    """Owners where no platform is named: a folder or an archive for each student, or a file."""
    tops = defaultdict(list)
    for place in places:
        top, _, rest = place.partition("/")
        tops[top if rest else ""].append(rest or top)
    files = tops.pop("", [])
    found = {file: _by_file_name(file, released) for file in files}
    groups = {top for top, inner in tops.items() if _is_class(top, inner, released)}
    for top, inner in tops.items():
        below: dict[str, Owner | None]
        if top not in groups:
            student = _by_folder_name(top, released)
            below = {rest: Owner(student, file=rest.split("/")[-1]) for rest in inner}
        else:
            below = _by_folders(inner, released)
            if groups != set(tops) or files:  # beside folders of single students: perhaps copies
                below = {rest: owner and _doubtful(owner, top) for rest, owner in below.items()}
        found |= {f"{top}/{rest}": owner for rest, owner in below.items()}
    return found


def _is_class(top: str, inner: Sequence[str], released: Sequence[str]) -> bool:
    """Whether a folder holds several students and not the files of one."""
    notebooks = [rest for rest in inner if rest.lower().endswith(".ipynb")]
    folders = {rest.split("/")[0] for rest in notebooks if "/" in rest}
    files = [rest for rest in notebooks if "/" not in rest]
    if len(folders) > 1 and not files:
        return True
    if len(folders) == 1 and not files:
        (folder,) = folders
        return _is_class(folder, [rest.partition("/")[2] for rest in notebooks], released)
    named = [_by_file_name(file, released) for file in files]
    if not folders and len(files) > 1 and all(named):
        return len({owner.student for owner in named if owner}) > 1
    return _is_assignment(top, released) and not folders and all(named)


def _is_assignment(name: str, released: Sequence[str]) -> bool:
    """Whether a folder bears the name of the assignment and nobody's.

    >>> _is_assignment("a1 Total variation-20260131T120000Z-001", ["a1_total_variation"])
    True
    """
    left = plain(_DRIVE_STAMP.sub("", name))
    return left in {plain(one) for one in released}


def _by_file_name(file: str, released: Sequence[str]) -> Owner | None:
    """The owner that stands before the assignment's name: "van_dyke_a1_….ipynb"; or None."""
    name = COPY_OF.sub("", stem(file))
    student = _before_assignment(name, released)
    if student is None and len(released) == 1:
        student = re.sub(r"\s*\(\d+\)$", "", name)
    return Owner(student, file=file) if student else None


def _by_folder_name(folder: str, released: Sequence[str]) -> str:
    """The student whose folder or archive this is: "ada", "van_dyke_a1"."""
    return _before_assignment(stem(folder), released) or folder


def _before_assignment(name: str, released: Sequence[str]) -> str | None:
    """What stands before the assignment's name, perhaps nothing; None if that is not there."""
    for one in sorted(released, key=len, reverse=True):
        words = re.split(r"[\W_]+", one)
        for known in (words, words[:1]):  # "a1_total_variation", or "a1" for short
            pattern = r"(?:^|(?<=[\W_]))" + r"[\W_]*".join(map(re.escape, known)) + r"(?![^\W_])"
            if match := re.search(pattern, name, re.IGNORECASE):
                return name[: match.start()].strip(" _-–")
    return None


def _doubtful(owner: Owner, folder: str) -> Owner:
    doubt = f"{folder} holds several: students of a class, or copies of one?"
    return Owner(f"{folder}-{owner.student}", owner.number, owner.file, owner.when, doubt)
