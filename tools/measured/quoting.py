"""Stored claims, and the prose that quotes them: `28.1 dB <!-- claim: lesson00-best -->`."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "tools" / "measured" / "stored" / "claims.json"
COMMENT = re.compile(r"[ \t]*<!-- claim: (?P<id>\S+) -->")
PLACEHOLDER = "TBD"


def stored(path=STORE):
    """Return the stored claims as {id: entry}; empty when there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def store(entries, path=STORE):
    """Merge entries into the stored claims, sorted by id."""
    merged = dict(sorted((stored(path) | entries).items()))
    path.write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _ends_with(prose, text):
    """Whether prose ends with text, and not with a longer number: "13.5 dB" is not "3.5 dB"."""
    return re.search(r"(?<![\w.–-])" + re.escape(text) + r"\Z", prose) is not None


def quote(prose, new, old):
    """Write the claims' new texts into a piece of prose.

    Args:
        prose: Markdown in which each claim's comment follows its text or TBD.
        new: {id: text to write}.
        old: {id: text of the last time}.

    Returns:
        The prose with the new texts. Where neither the old text nor TBD stands before a comment,
        nothing is changed: the fast test names that place.

    >>> quote("falls by TBD <!-- claim: a-b -->.", {"a-b": "3–4 dB"}, {})
    'falls by 3–4 dB <!-- claim: a-b -->.'
    """
    done, end = "", 0
    for comment in COMMENT.finditer(prose):
        before = prose[end : comment.start()]
        id = comment["id"]
        for known in (new.get(id), old.get(id), PLACEHOLDER):
            if known and id in new and _ends_with(before, known):
                before = before.removesuffix(known) + new[id]
                break
        done += before + comment[0]
        end = comment.end()
    return done + prose[end:]


def wrong_quotes(prose, known):
    """Return a message for each claim comment of a prose that is unknown or wrongly quoted.

    >>> wrong_quotes("by 5 dB <!-- claim: a-b -->", {"a-b": {"text": "3–4 dB"}})
    ['claim a-b: the text before its comment must be "3–4 dB", not "by 5 dB"']
    """
    messages = []
    for comment in COMMENT.finditer(prose):
        id, before = comment["id"], prose[: comment.start()]
        if id not in known:
            messages.append(f"claim {id} is not stored: run `make claims`")
        elif not _ends_with(before, known[id]["text"]):
            found = before.splitlines()[-1][-30:] if before else ""
            text = known[id]["text"]
            messages.append(
                f'claim {id}: the text before its comment must be "{text}", not "{found}"'
            )
    return messages


def requote(new, old, root=ROOT):
    """Write new texts into the pages and the lessons' Markdown cells; return the files changed."""
    import nbformat

    changed = []
    for path in [*sorted(root.glob("*.md")), *sorted((root / "lessons").glob("*.ipynb"))]:
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            quoted = quote(text, new, old)
            if quoted != text:
                path.write_text(quoted, encoding="utf-8")
                changed.append(path)
            continue
        notebook = nbformat.read(path, as_version=4)
        texts = [cell.source for cell in notebook.cells]
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = quote(cell.source, new, old)
        if texts != [cell.source for cell in notebook.cells]:
            nbformat.write(notebook, path)
            changed.append(path)
    return changed


def save(entries, path=STORE, root=ROOT):
    """Store new entries and quote them in the prose; print which files changed."""
    old = {id: entry["text"] for id, entry in stored(path).items()}
    store(entries, path)
    for changed in requote({id: e["text"] for id, e in entries.items()}, old, root):
        print(f"quoted in {changed.relative_to(root)}")
