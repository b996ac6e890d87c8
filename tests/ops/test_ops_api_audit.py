"""What the API refuses is told to the daemon: floods are counted, and hide nothing else."""

from vppd.ops.api.serve import AUDITS_BURST, KIND_BURST, Audit

INTRUDER = {"who": "", "client": "10.0.0.7", "what": "GET /x"}


class Told:
    """The link to the daemon, as far as an audit needs it."""

    def __init__(self):
        self.rows = []

    def say(self, do, **fields):
        assert do == "audit"
        self.rows.append(fields)


def audit():
    told, now_s = Told(), [0.0]
    return Audit(told, lambda: now_s[0]), told.rows, now_s


def test_a_flood_is_told_in_part_and_counted():
    tell, rows, now_s = audit()
    for k in range(1000):
        tell(**INTRUDER, why=f"called by the name 'evil{k}.example'")
    assert len(rows) == KIND_BURST
    now_s[0] = 60.0
    tell(**INTRUDER, why="called by the name 'evil.example'")
    assert rows[-1]["why"].endswith(f"(and {1000 - int(KIND_BURST)} more before it)")


def test_a_flood_of_one_kind_hides_no_refusal_of_another():
    """Else noise is where one hides a wrong role, a replay, a guess at a password."""
    tell, rows, _ = audit()
    for _ in range(1000):
        tell(**INTRUDER, why="not of the form", alarm=False)
    tell(**INTRUDER, why="wrong name or password of 'otto'")
    tell(**{**INTRUDER, "client": "10.0.0.8"}, why="not of the form")
    tell(**{**INTRUDER, "who": "vera"}, why="for an operator; vera is a viewer")
    assert [row["why"].partition(" (and")[0] for row in rows[-3:]] == [
        "wrong name or password of 'otto'",
        "not of the form",
        "for an operator; vera is a viewer",
    ]


def test_floods_of_many_kinds_together_have_an_end():
    tell, rows, _ = audit()
    for k in range(1000):
        tell(**{**INTRUDER, "client": f"10.0.{k % 250}.{k // 250}"}, why="not of the form")
    assert len(rows) == AUDITS_BURST
