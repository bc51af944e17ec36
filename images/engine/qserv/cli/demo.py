"""``qserv demo``: a local cluster, three real catalogs, and questions that show what it can do."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.syntax import Syntax

from qserv.cli import connect, local, show, sql
from qserv.cli.home import Home
from qserv.ingest.demo import DemoCatalog, write_demo
from qserv.ingest.load import Load
from qserv.ingest.specfile import read_spec


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in words and in SQL. A row of the answer that was not asked for would be a wrong answer."""

    words: str
    sql: str


QUESTIONS = (
    Question("How many stars are there?", "SELECT COUNT(*) AS stars FROM gaia.Star"),
    Question(
        "One star by its number: the index knows its chunk",
        "SELECT source_id, ra, decl, chunkId FROM gaia.Star\nWHERE source_id = 1576683529448755328",
    ),
    Question(
        "The brightest stars within half a degree of the Pleiades' centre: only the chunks there are read",
        "SELECT source_id, ra, decl, phot_g_mean_mag AS g FROM gaia.Star\n"
        "WHERE qserv_areaspec_circle(56.6, 24.1, 0.5) ORDER BY g LIMIT 5",
    ),
    Question(
        "Stars by magnitude, over the whole sky: each worker counts its own, the czar adds up",
        "SELECT FLOOR(phot_g_mean_mag) AS mag, COUNT(*) AS stars, AVG(phot_bp_mean_mag - phot_rp_mean_mag) AS colour\n"
        "FROM gaia.Star GROUP BY mag HAVING stars > 1000 ORDER BY mag",
    ),
    Question(
        "The fastest stars on the sky",
        "SELECT hip, SQRT(pm_ra * pm_ra + pm_decl * pm_decl) / 1000 AS arcsec_a_year, 1000 / parallax AS parsecs\n"
        "FROM hip.Star ORDER BY arcsec_a_year DESC LIMIT 5",
    ),
    Question(
        "How many stars have a neighbour within 5 arc seconds? No pair is missed at a chunk's edge",
        "SELECT COUNT(*) AS pairs, MIN(scisql_angSep(a.ra, a.decl, b.ra, b.decl)) * 3600 AS closest_arcsec\n"
        "FROM gaia.Star a, gaia.Star b\n"
        "WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 5 / 3600 AND a.source_id < b.source_id",
    ),
    Question(
        "Two catalogs, 25 years apart, matched by position",
        "SELECT COUNT(*) AS pairs, AVG(scisql_angSep(g.ra, g.decl, h.ra, h.decl)) * 3600 AS mean_arcsec\n"
        "FROM gaia.Star g, hip.Star h WHERE scisql_angSep(g.ra, g.decl, h.ra, h.decl) < 2 / 3600",
    ),
    Question(
        "Galaxies and clusters: a small table, whole on every worker",
        "SELECT t.meaning, COUNT(*) AS objects FROM ngc.Object o JOIN ngc.ObjectType t ON t.type = o.type\n"
        "GROUP BY t.meaning ORDER BY objects DESC LIMIT 5",
    ),
    Question(
        "Bright stars in the Andromeda galaxy's field: a table of the sky joined with a replicated one",
        "SELECT o.common_names, s.source_id, s.phot_g_mean_mag AS g FROM ngc.Object o, gaia.Star s\n"
        "WHERE o.messier = '031' AND qserv_areaspec_circle(10.68, 41.27, 1.5)\n"
        "  AND scisql_angSep(o.ra, o.decl, s.ra, s.decl) < 1 ORDER BY g LIMIT 5",
    ),
    Question(
        "The brightest star of each band of declination: a window function, not split but answered",
        "SELECT band, source_id, g FROM (SELECT FLOOR((decl + 90) / 18) AS band, source_id, phot_g_mean_mag AS g,\n"
        "  ROW_NUMBER() OVER (PARTITION BY FLOOR((decl + 90) / 18) ORDER BY phot_g_mean_mag) AS place\n"
        "  FROM gaia.Star WHERE phot_g_mean_mag < 4) ranked WHERE place = 1 ORDER BY band",
    ),
    Question(
        "How is a question answered?",
        "EXPLAIN SELECT COUNT(*) FROM gaia.Star WHERE qserv_areaspec_box(10, -5, 14, 5) AND phot_g_mean_mag < 8",
    ),
)


def run(home: Home | None, keep: bool, console: Console) -> None:
    """Start, load, ask, and stop again; with ``keep`` the cluster stays up, in ``home``."""
    if keep:
        place = home or Home.default()
        _show(place, console)
        _tell_how_to_connect(place, console)
        return
    with TemporaryDirectory(prefix="qserv-demo-") as folder:
        place = home or Home(Path(folder) / "cluster")
        try:
            _show(place, console)
        finally:
            if place.known_facts() is not None:
                local.down(place)
        console.print("\nThe cluster is stopped. [bold]make demo KEEP=1[/] leaves it up.")


def _show(place: Home, console: Console) -> None:
    began = time.monotonic()
    with console.status("starting a cluster") as spinner:
        local.up(place, workers=3, ports=local.Ports(), tell=spinner.update)
    console.print("A cluster is up: one czar, one replication controller, three workers, each a process of its own.\n")
    for catalog in write_demo(place.path / "demo-data"):
        _load(place, catalog, console)
    client = sql.Client(connect.czar(place), None)
    try:
        for number, question in enumerate(QUESTIONS, start=1):
            _ask(client, number, question, console)
    finally:
        client.close()
    console.print(f"{len(QUESTIONS)} questions answered, all in {time.monotonic() - began:.0f} s.", highlight=False)


def _load(place: Home, catalog: DemoCatalog, console: Console) -> None:
    spec = read_spec(catalog.spec)
    console.print(f"[bold]{catalog.title}[/], from {catalog.origin} ({catalog.licence})", highlight=False)
    with closing(connect.controller(place)) as client, show.load_progress(spec.database, console) as report:
        outcome = Load(client, spec, catalog.spec.parent, append=False, report=report).run()
    show.loaded(outcome, console)


def _ask(client: sql.Client, number: int, question: Question, console: Console) -> None:
    console.print(f"\n[bold]{number}. {question.words}[/]", highlight=False)
    console.print(Syntax(question.sql, "mysql", background_color="default", word_wrap=True))
    began = time.monotonic()
    with client.query(question.sql) as answer:
        rows = answer.reader.read_all() if answer.reader is not None else None
    milliseconds = (time.monotonic() - began) * 1000
    if rows is not None:
        console.print(sql.grid(rows.schema, sql.texts(rows)))
    touched = f", {_counted(client.chunks(answer.query))}" if answer.query is not None else ""
    console.print(f"{milliseconds:.0f} ms{touched}", style="dim", highlight=False)


def _counted(chunks: int) -> str:
    return f"{chunks} chunk{'s' if chunks != 1 else ''}"


def _tell_how_to_connect(place: Home, console: Console) -> None:
    ways = (
        f"mysql --defaults-file={place.client_file}",
        f".venv/bin/qserv sql --home {place.path}",
        f'python: pymysql.connect(read_default_file="{place.client_file}", port={place.facts().mysql})',
    )
    console.print(f"\nThe cluster stays up in {place.path}. Ask it more:", highlight=False, soft_wrap=True)
    for way in ways:
        console.print(f"  {way}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"and end it: .venv/bin/qserv local down --home {place.path}", highlight=False, soft_wrap=True)
