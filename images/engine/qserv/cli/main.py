"""The command line ``qserv``. What a command needs is imported when it runs, so that ``--help`` is there at once."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from qserv.cli import accounts, operate
from qserv.cli.told import HomeOption, home_of, screen, told

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

app = typer.Typer(
    name="qserv",
    help="A sky-survey SQL database on a cluster of ordinary nodes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
local_app = typer.Typer(help="A cluster on this machine.", no_args_is_help=True)
app.add_typer(local_app, name="local")
app.add_typer(accounts.app, name="account")
app.add_typer(operate.app, name="workers")

PROCESS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _port(meaning: str) -> Any:
    return typer.Option(min=0, max=65535, help=meaning)


@local_app.command("up")
def local_up(
    home: HomeOption = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many; more than before adds some.")] = 3,
    mysql_port: Annotated[int, _port("MySQL port; 0: the one of before, or any free one.")] = 0,
    http_port: Annotated[int, _port("The czar's HTTP port; 0 likewise.")] = 0,
    controller_port: Annotated[int, _port("The replication controller's port; 0 likewise.")] = 0,
) -> None:
    """Start a cluster, or what of it does not run."""
    from rich.console import Console

    from qserv.cli import local

    console = Console(stderr=True)
    with told():
        place = home_of(home)
        ports = local.Ports(mysql=mysql_port, http=http_port, controller=controller_port)
        with console.status("starting") as spinner:
            facts = local.up(place, workers, ports, spinner.update)
        typer.echo(f"running in {place.path}")
        typer.echo(f"  mysql --defaults-file={place.client_file}")
        typer.echo(f"  MySQL on 127.0.0.1:{facts.mysql}, HTTP on 127.0.0.1:{facts.http}")


@local_app.command("down")
def local_down(home: HomeOption = None) -> None:
    """End the cluster's processes. Its data stays."""
    from qserv.cli import local

    with told():
        count, forced = local.down(home_of(home))
        typer.echo(f"{count} process(es) ended" + (f"; forced: {', '.join(forced)}" if forced else ""))


@local_app.command("status")
def local_status(home: HomeOption = None) -> None:
    """Which processes run, and how the cluster is."""
    from qserv.catalog.errors import Unavailable
    from qserv.cli import local, show

    with told():
        place = home_of(home)
        found = local.running(place)
        show.running(found, screen())
        if not found["replication"]:
            raise Unavailable(f"the cluster in {place.path} does not run: start it with 'qserv local up'")
        show.status(local.status(place), screen())


@app.command("demo")
def demo_command(
    home: HomeOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the cluster up.")] = False,
) -> None:
    """Load three real catalogs into a local cluster and ask them questions."""
    from rich.console import Console

    from qserv.cli import demo

    with told():
        demo.run(home_of(home) if home is not None else None, keep, Console())


@app.command("status")
def cluster_status(home: HomeOption = None) -> None:
    """How a cluster's chunks and workers are."""
    from qserv.cli import connect, show

    with told(), closing(connect.controller(home_of(home))) as client:
        show.status(client.status(), screen())


@app.command("load")
def load_command(
    spec: Annotated[Path, typer.Argument(help="The load spec, a YAML file.")],
    home: HomeOption = None,
    append: Annotated[bool, typer.Option("--append", help="Add rows to tables that are there.")] = False,
    upload: Annotated[
        bool, typer.Option("--upload", help="Send this machine's files to the workers, which need not see them.")
    ] = False,
) -> None:
    """Load catalogs. Run again after a crash, it goes on where it stopped."""
    from rich.console import Console

    from qserv.cli import connect, show
    from qserv.ingest.load import Load
    from qserv.ingest.specfile import read_spec

    console = Console(stderr=True)
    with told("stopped; what was read so far is kept: the same command goes on, 'qserv drop' takes it away"):
        wanted = read_spec(spec)
        with (
            closing(connect.controller(home_of(home))) as client,
            show.load_progress(wanted.database, console) as report,
        ):
            outcome = Load(client, wanted, spec.resolve().parent, append=append, upload=upload, report=report).run()
        show.loaded(outcome, console)


@app.command("verify")
def verify_command(
    home: HomeOption = None,
    worker: Annotated[str | None, typer.Option(help="Of one worker only.")] = None,
) -> None:
    """Read all copies of all files anew; damaged ones are healed from others."""
    from rich.console import Console

    from qserv.cli import care, connect

    with told("it goes on by itself"), closing(connect.controller(home_of(home))) as client:
        care.verify(client, worker, Console(stderr=True))


@app.command("drain")
def drain_command(worker: Annotated[str, typer.Argument(help="Its name.")], home: HomeOption = None) -> None:
    """Have a worker give its chunks to others, and wait until it may be stopped."""
    from rich.console import Console

    from qserv.cli import care, connect

    stopped = f"it goes on; to change your mind: qserv workers state {worker} online"
    with told(stopped), closing(connect.controller(home_of(home))) as client:
        care.drain(client, worker, Console(stderr=True))


@app.command("settings")
def settings_command(
    home: HomeOption = None,
    factor: Annotated[int | None, typer.Option(min=1, max=16, help="Copies of each chunk.")] = None,
    bandwidth: Annotated[int | None, typer.Option(min=0, help="Bytes a second that repair may move.")] = None,
    lost_after: Annotated[float | None, typer.Option(min=1, help="Seconds of silence until a worker is lost.")] = None,
    scrub_interval: Annotated[float | None, typer.Option(min=0, help="Seconds between scrubs; 0: none.")] = None,
    scrub_bandwidth: Annotated[int | None, typer.Option(min=0, help="Bytes a second, on each worker.")] = None,
    compact_files: Annotated[int | None, typer.Option(min=0, help="Small files made one; 0: never.")] = None,
) -> None:
    """Show or change what can be changed while the cluster runs."""
    from qserv.catalog.resources import SettingsWish
    from qserv.cli import care, connect

    with told(), closing(connect.controller(home_of(home))) as client:
        wish = SettingsWish(
            factor=factor,
            bandwidth=bandwidth,
            lost_after=lost_after,
            scrub_interval=scrub_interval,
            scrub_bandwidth=scrub_bandwidth,
            compact_files=compact_files,
        )
        changed = wish.model_dump(exclude_none=True)
        care.settings(client.set_settings(wish) if changed else client.settings(), screen())


@app.command("drop")
def drop_command(
    name: Annotated[str, typer.Argument(help="A table, as database.table, or a whole database.")],
    home: HomeOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop a table or a database, with all rows; also one that a broken load left."""
    from qserv.cli import care, connect

    with told(), closing(connect.controller(home_of(home))) as client:
        care.drop(client, name, lambda question: yes or typer.confirm(question, err=True))


BackupPlace = Annotated[
    str, typer.Argument(help="Absolute path of a folder that controller and workers share, or s3://bucket/prefix.")
]
Databases = Annotated[list[str] | None, typer.Option("--database", "-d", help="Default: all. May be repeated.")]


@app.command("export")
def export_command(place: BackupPlace, home: HomeOption = None, database: Databases = None) -> None:
    """Copy the catalog to a backup. Asked again, it goes on, or adds what is new."""
    _backup("export", place, home, database)


@app.command("import")
def import_command(place: BackupPlace, home: HomeOption = None, database: Databases = None) -> None:
    """Restore a catalog from a backup, into a cluster of any size. Asked again, it goes on."""
    _backup("import", place, home, database)


def _backup(kind: Literal["export", "import"], place: str, home: Path | None, database: list[str] | None) -> None:
    from rich.console import Console

    from qserv.catalog.resources import BackupWish
    from qserv.cli import backup, connect

    with told(f"the {kind} goes on by itself; the same command follows it again"):
        wish = BackupWish(kind=kind, url=backup.place(place), databases=tuple(database or ()))
        backup.follow(connect.controller(home_of(home)), wish, Console(stderr=True))


@app.command("sql")
def sql_command(
    statement: Annotated[
        str | None, typer.Argument(help="Statements; without any a prompt opens, or a pipe is read.")
    ] = None,
    home: HomeOption = None,
    database: Annotated[
        str | None, typer.Option("--database", "-d", help="The one that is meant where none is named.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json (a line a row) or parquet")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default: the screen.")] = None,
) -> None:
    """Ask SQL, and show the answer or write it to a file."""
    from qserv.catalog.errors import Conflict
    from qserv.cli import connect, sql

    with told():
        if form not in list(sql.Form):
            raise Conflict(f"--format {form}: choose one of {', '.join(sql.Form)}")
        if form == sql.Form.PARQUET and output is None:
            raise Conflict("Parquet goes to a file: give --output FILE")
        with closing(sql.Client(connect.czar(home_of(home)), database)) as client:
            if statement is None and sys.stdin.isatty():
                sql.prompt(client, sql.Form(form))
            else:
                sql.script(client, sys.stdin.read() if statement is None else statement, sql.Form(form), output)


@app.command("synth")
def synth_command(
    folder: Annotated[Path, typer.Argument(help="Folder for the files and the load spec.")],
    objects: Annotated[int, typer.Option(min=1, help="Rows of Object.")] = 1_000_000,
    sources: Annotated[float, typer.Option(min=0, help="Sources an object, in the mean.")] = 10.0,
    forced: Annotated[float, typer.Option(min=0, help="Forced sources an object, in the mean.")] = 0.0,
    truth: Annotated[bool, typer.Option(help="Make a second director and a match table.")] = True,
    wide: Annotated[bool, typer.Option(help="Give Object 150 columns instead of 20.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same rows.")] = 1,
    database: Annotated[str, typer.Option(help="Its name in the load spec.")] = "synth",
) -> None:
    """Make a synthetic survey: the same from the same seed."""
    from rich.progress import Progress

    from qserv.ingest.synth import synthesize

    with told(), Progress() as progress:
        bar = progress.add_task("objects", total=objects)

        def advance(table: str, rows: int) -> None:
            if table == "Object":
                progress.advance(bar, rows)

        spec = synthesize(
            folder,
            objects,
            sources,
            forced_per_object=forced,
            truth=truth,
            wide=wide,
            seed=seed,
            database=database,
            progress=advance,
        )
    typer.echo(f"qserv load {spec}")


@app.command("czar", context_settings=PROCESS)
def czar(context: typer.Context) -> None:
    """Run a czar in the foreground. Its settings: --help, or QSERV_CZAR_…"""
    from qserv.catalog.settings import CzarSettings
    from qserv.czar.main import run

    with told():
        run(_settings(CzarSettings, "czar", context.args))


@app.command("worker", context_settings=PROCESS)
def worker(context: typer.Context) -> None:
    """Run a worker in the foreground. Its settings: --help, or QSERV_WORKER_…"""
    from qserv.catalog.settings import WorkerSettings
    from qserv.worker.main import run

    with told():
        run(_settings(WorkerSettings, "worker", context.args))


@app.command("replication", context_settings=PROCESS)
def replication(context: typer.Context) -> None:
    """Run a replication controller in the foreground. Its settings: --help, or QSERV_REPLICATION_…"""
    from qserv.catalog.settings import ReplicationSettings
    from qserv.replication.main import run

    with told():
        run(_settings(ReplicationSettings, "replication", context.args))


def _settings(kind: type[BaseSettings], name: str, arguments: list[str]) -> Any:
    """A process' settings: flags of the command line, then the environment, then the file ``QSERV_CONFIG``."""
    from pydantic import ValidationError
    from pydantic_settings import CliSettingsSource

    from qserv.catalog.errors import SpecError
    from qserv.catalog.invalid import words

    try:
        flags: CliSettingsSource[Any] = CliSettingsSource(
            kind, cli_parse_args=arguments, cli_prog_name=f"qserv {name}", cli_kebab_case=True
        )
        return kind(_cli_settings_source=flags)
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        wrong = words(error, lambda place: f"{prefix}{'_'.join(map(str, place)).upper()}")
        raise SpecError(f"settings of qserv {name}: {wrong}") from error


if __name__ == "__main__":
    app()
