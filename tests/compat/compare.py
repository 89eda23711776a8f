# SPDX-License-Identifier: Apache-2.0
"""What a run of a program left behind, and whether a profiled run left the same.

An outcome is a dictionary of texts and bytes: the exit status, stdout, stderr, the list of the files that the program
left in its folder (kind, mode, name) and the content of each. Programs print times, process ids and addresses. What
may differ is learnt from bare runs alone: a Mask holds what all of them had in common, and a profiled run must have
that too. Nothing else is ever masked: there is no list of patterns to ignore.
"""

import difflib
import hashlib
import os
import re
import stat

# One word, one number or one other character: what differs is masked by such units.
_UNITS = re.compile(rb"[0-9a-fA-F]+|[A-Za-z]+|[^0-9A-Za-z]")
_ANY = rb".*?"
_ANY_MAX = 4
_ALIGN_MAX = 4000 # lines or units: difflib is quadratic


def files_left(folder):
    """{name: bytes} of everything below `folder`: "files" is the listing, the rest are contents."""
    listing, contents = [], {}
    for parent, folders, names in os.walk(folder):
        for name in sorted(folders + names):
            path = os.path.join(parent, name)
            shown = os.path.relpath(path, folder)
            state = os.lstat(path)
            line = f"{stat.filemode(state.st_mode)} {state.st_uid} {shown}"
            if stat.S_ISLNK(state.st_mode):
                line += " -> " + os.readlink(path)
            elif stat.S_ISREG(state.st_mode):
                with open(path, "rb") as opened:
                    contents["file " + shown] = opened.read()
            listing.append(line)
    return {"files": "\n".join(sorted(listing)).encode() + b"\n", **contents}


def _kind(units):
    """The class of units that stand at one masked place: digits stay digits."""
    if all(re.fullmatch(rb"[0-9]+", unit) for unit in units):
        return rb"[0-9]+"
    if all(re.fullmatch(rb"[0-9a-fA-F]+", unit) for unit in units):
        return rb"[0-9a-fA-F]+"
    return _ANY


def _line_pattern(lines):
    """A regular expression of what these lines share, unit by unit."""
    first, *others = lines
    places = [(re.escape(unit), [unit]) for unit in _UNITS.findall(first)]
    for other in others:
        units = _UNITS.findall(other)
        flat = [place[1][0] if place[0] == re.escape(place[1][0]) else None for place in places]
        matcher = difflib.SequenceMatcher(None, flat, units, autojunk=False)
        merged = []
        for tag, a0, a1, b0, b1 in matcher.get_opcodes():
            if tag == "equal":
                merged += places[a0:a1]
            elif a1 - a0 == b1 - b0:
                for place, unit in zip(places[a0:a1], units[b0:b1]):
                    seen = place[1] + [unit]
                    merged.append((_kind(seen), seen))
            else:
                merged.append((_ANY, [b"", b" "]))
        places = merged
    pieces = [place[0] for place in places]
    pieces = [piece for i, piece in enumerate(pieces) if not (piece == _ANY and i > 0 and pieces[i - 1] == _ANY)]
    # Matching many of them takes for ever: of such a line (a key, say) the beginning and the end are kept.
    if pieces.count(_ANY) > _ANY_MAX:
        first = pieces.index(_ANY)
        last = len(pieces) - 1 - pieces[::-1].index(_ANY)
        pieces = pieces[:first] + [_ANY] + pieces[last + 1:]
    return b"".join(pieces)


def _lines_match(texts, content):
    """Whether `content` has what these texts share, line by line."""
    split = [text.split(b"\n") for text in texts]
    lines_now = content.split(b"\n")
    if len({len(lines) for lines in split}) == 1:
        if len(lines_now) != len(split[0]):
            return False
        for now, *before in zip(lines_now, *split):
            if now not in before and (len(set(before)) == 1 or not re.fullmatch(_line_pattern(before), now, re.DOTALL)):
                return False
        return True
    if max(map(len, split)) > _ALIGN_MAX:
        return True
    # Another number of lines each time: what is common to all must be there, in its order.
    common = split[0]
    for lines in split[1:]:
        matcher = difflib.SequenceMatcher(None, common, lines, autojunk=False)
        kept = []
        end = 0
        for a, _, size in matcher.get_matching_blocks():
            if a > end:
                kept.append(None)
            kept += common[a:a + size]
            end = a + size
        common = kept
    if common and common[0] is not None and lines_now[0] != common[0]:
        return False
    rest = iter(lines_now)
    return all(line is None or line in rest for line in common)


class Mask:
    """What several bare outcomes have in common."""

    def __init__(self, outcomes):
        self.outcomes = outcomes

    def unstable(self):
        """Names of what differs between the bare runs."""
        names = set().union(*self.outcomes)
        return sorted(name for name in names if len({outcome.get(name) for outcome in self.outcomes}) > 1)

    def differences(self, outcome):
        """[(name, explanation)] where `outcome` is not what the bare runs have in common."""
        found = []
        always = set.intersection(*map(set, self.outcomes))
        ever = set().union(*self.outcomes)
        for name in sorted(set(outcome) | always):
            if name not in ever:
                # its line in the listing tells whether a file of another name is allowed there
                if not name.startswith("file "):
                    found.append((name, "not there in the bare run"))
            elif name not in outcome:
                if name in always and not name.startswith("file "):
                    found.append((name, "missing"))
            elif name in always and not self._same(name, outcome[name]):
                found.append((name, explain(self.outcomes[0][name], outcome[name])))
        return found

    def _same(self, name, content):
        seen = {outcome[name] for outcome in self.outcomes}
        if content in seen:
            return True
        if len(seen) == 1:
            return False
        if any(b"\0" in text for text in seen):
            return self._same_bytes(seen, content)
        return _lines_match(sorted(seen), content)

    @staticmethod
    def _same_bytes(seen, content):
        """Binary content of one size: bytes that all bare runs agree on. Of several sizes: nothing is known."""
        if len({len(text) for text in seen}) > 1:
            return True
        if len(content) != len(next(iter(seen))):
            return False
        return all(len(set(column)) > 1 or column[0] == byte for column, byte in zip(zip(*seen), content))


def explain(expected, got, limit=6):
    """The first lines that differ, for people."""
    if b"\0" in expected or b"\0" in got:
        return f"{len(expected)} bytes ({hashlib.sha256(expected).hexdigest()[:12]}), " \
               f"now {len(got)} ({hashlib.sha256(got).hexdigest()[:12]})"
    lines = difflib.unified_diff(expected.decode(errors="replace").splitlines()[:2000],
                                 got.decode(errors="replace").splitlines()[:2000], lineterm="", n=0)
    shown = [line[:300] for line in lines if not line.startswith(("---", "+++", "@@"))]
    return "\n".join(shown[:limit]) + (f"\n... {len(shown) - limit} more" if len(shown) > limit else "")
