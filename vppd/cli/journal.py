"""Commands of a journal: whether it holds, what it has, and why a unit was told what."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import click

from vppd.cli.common import (
    AS_JSON,
    EXIT_BAD,
    EXIT_COULD_NOT,
    EXIT_FALSE,
    PATH,
    drop_output,
    fail,
    journal_errors,
    progress_bar,
    why,
)
from vppd.cli.group import main


@main.command()
@click.argument("journal", type=PATH)
@AS_JSON
@click.option("--skip-damaged", is_flag=True, help="Go on at the segment after a damaged one.")
def replay(journal: Path, as_json: bool, skip_damaged: bool) -> None:
    """Run every tick through the core again and compare bit for bit."""
    from vppd.core.tick import tick
    from vppd.journal.replay import replay as replay_journal
    from vppd.journal.verify import Verification

    with journal_errors():
        proof = Verification(journal)
        with progress_bar("replaying") as progress:
            report = replay_journal(
                journal, tick, skip_damaged=skip_damaged, progress=progress,
                processes=len(os.sched_getaffinity(0)), proof=proof,
            )  # fmt: skip
        fault = proof.report().fault
    first = report.first_difference
    if as_json:
        fields = {**dataclasses.asdict(report), "first_difference": first and str(first)}
        click.echo(json.dumps({"bit_exact": report.bit_exact, "chain_ok": fault is None, **fields}))
    else:
        from vppd.runtime.replay_text import render

        click.echo(render(report, fault))
    if not report.bit_exact or report.unread_ticks or fault is not None:
        sys.exit(EXIT_FALSE)


@main.command()
@click.argument("journal", type=PATH)
@click.option("--key", "keys", multiple=True, metavar="PUBKEY",
    help="It must be signed with this: 64 hex digits, or a file with them or PEM.",
)  # fmt: skip
@click.option("--head", "heads", multiple=True, metavar="HEX", help="A head that it once had.")
@click.option("--heads", "heads_path", type=PATH, metavar="FILE",
    help="Heads that it once had, as journal.heads_file has them.",
)  # fmt: skip
@AS_JSON
def verify(
    journal: Path,
    keys: tuple[str, ...],
    heads: tuple[str, ...],
    heads_path: Path | None,
    as_json: bool,
) -> None:
    """Check checksums, hash chains and signatures; name the first record that does not hold.

    Says up to where it is signed. Without --key, signatures are held against the key that the
    journal itself names.
    """
    from vppd.journal.keys import BadKeyError, public_key_of
    from vppd.journal.verify import verify as verify_journal
    from vppd.runtime.heads import HeadsError, head_of, read_heads
    from vppd.runtime.verify_text import render

    try:
        expected = [head_of(head) for head in heads]
        expected += [] if heads_path is None else read_heads(heads_path)
        known = [public_key_of(key) for key in keys]
        with journal_errors(), progress_bar("checking") as progress:
            report = verify_journal(journal, keys=known, heads=expected, progress=progress)
    except (BadKeyError, HeadsError) as error:
        fail(str(error), EXIT_BAD)
    if as_json:
        document = {"chain_ok": report.ok, **dataclasses.asdict(report)}
        click.echo(json.dumps(document, allow_nan=False))
    else:
        click.echo(render(report))
    if not report.ok:
        sys.exit(EXIT_FALSE)


@main.group()
def key() -> None:
    """Make the key that signs a journal, or print its public half."""


@key.command("new")
@click.argument("file", type=PATH)
def key_new(file: Path) -> None:
    """Write a new private key to FILE, mode 0400, and print its public key."""
    from vppd.journal.keys import write_new_key

    try:
        signer = write_new_key(file)
    except FileExistsError:
        fail(f"{file}: is there already; a key that signs a journal is not replaced", EXIT_BAD)
    except OSError as error:
        fail(why(error), EXIT_COULD_NOT)
    _print_public(signer.public_key)


@key.command("public")
@click.argument("file", type=PATH)
def key_public(file: Path) -> None:
    """Print the public key that belongs to the private one in FILE, for `vppd verify --key`."""
    from vppd.journal.keys import BadKeyError, load_signer

    try:
        signer = load_signer(file)
    except BadKeyError as error:
        fail(str(error), EXIT_COULD_NOT)
    _print_public(signer.public_key)


def _print_public(public_key: bytes) -> None:
    from vppd.journal.heads import key_id

    click.echo(public_key.hex())
    click.echo(f"vppd: key id {key_id(public_key).hex()}", err=True)


@main.command()
@click.argument("journal", type=PATH)
@click.option("--arrays", is_flag=True, help="With setpoint, reading and reason of each unit.")
@click.option("--skip-damaged", is_flag=True, help="Go on at the segment after a damaged one.")
@click.option("--parquet", "out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write closed segments as tables instead, those that are not in DIR yet.",
)  # fmt: skip
def export(journal: Path, arrays: bool, skip_damaged: bool, out: Path | None) -> None:
    """Print the ticks of a journal as JSON lines, or write it as Parquet (docs/reading.md)."""
    if out is not None:
        _roll(journal, out)
        return
    from vppd.core.tick import tick
    from vppd.journal.errors import DamageError
    from vppd.journal.export import export as export_journal
    from vppd.runtime.replay_text import NO_TICK

    damages: list[DamageError] = []
    try:
        with journal_errors():
            ticks = export_journal(
                journal, sys.stdout, tick, arrays=arrays, skip_damaged=skip_damaged,
                tell_damage=damages.append,
            )  # fmt: skip
            sys.stdout.flush()
    except BrokenPipeError:
        drop_output()  # the reader has seen enough
        return
    if damages:
        fail("not read: " + "; ".join(map(str, damages)), EXIT_FALSE)
    if not ticks:
        fail(NO_TICK, EXIT_FALSE)


def _roll(journal: Path, out: Path) -> None:
    """Write the segments of a journal as Parquet, and say what became of them."""
    from vppd.core.tick import tick
    from vppd.journal.parquet import ParquetError, roll
    from vppd.ops.counted import counted

    try:
        with journal_errors(hint=""), progress_bar("writing") as progress:
            rolled = roll(journal, out, tick, progress)
    except ParquetError as error:
        fail(str(error), EXIT_BAD)
    except OSError as error:
        fail(f"{out}: {(error.strerror or str(error)).lower()}", EXIT_COULD_NOT)
    more = [f"{len(rolled.there)} there already"] if rolled.there else []
    more += [f"{name} is still open" for name in rolled.open]
    click.echo("; ".join([f"{out}: {counted(len(rolled.written), 'segment')} written", *more]))
    if rolled.damaged:
        fail("written up to the damage: " + "; ".join(map(str, rolled.damaged)), EXIT_FALSE)


@main.command()
@click.argument("journal", type=PATH)
@click.option(
    "--at", required=True, metavar="TIME",
    help="An ISO instant, HH:MM:SS, #TICK, or +SECONDS from the start; local time where no zone"
    " is given.",
)  # fmt: skip
@click.option("--der", metavar="ID", help="Tell of this unit alone.")
@AS_JSON
def explain(journal: Path, at: str, der: str | None, as_json: bool) -> None:
    """Say why each unit got its setpoint in the tick that was in force at TIME.

    What was asked, what each limit held back, what was not served, and whether the core gives
    the same bits today.
    """
    from vppd.journal.instant import InstantError
    from vppd.runtime.explain import UnknownUnitError, explained

    try:
        with journal_errors(hint=""), progress_bar("reading") as progress:
            text, damage = explained(journal, at, der, as_json=as_json, progress=progress)
    except (InstantError, UnknownUnitError) as error:
        fail(str(error), EXIT_BAD)
    click.echo(text)
    if damage is not None:
        fail(f"damaged behind this tick: {damage}", EXIT_FALSE)
