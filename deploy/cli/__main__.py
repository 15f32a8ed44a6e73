"""`placet`: the list of its commands. Each lives in the module named for what it is about."""

import typer

from deploy.cli import (
    asides,
    audit,
    backup,
    doctor,
    houses,
    importing,
    keys,
    passwords,
    promises,
    relay,
    restore,
    tenant,
    topics,
    tracing,
    verifying,
)

app = typer.Typer(
    name="placet",
    help="Run, watch and repair Placet. Everything it prints is safe to paste into a ticket: ids, no names.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("up")(houses.up)
app.command("down")(houses.down)
app.command("demo")(houses.demo)
app.command("doctor")(doctor.doctor)
app.command("import")(importing.import_files)
app.command("follow")(tracing.follow)
app.command("verify")(verifying.verify)
app.command("promises")(promises.promises)
app.command("topics")(topics.topics)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.add_typer(audit.app, name="audit")
app.add_typer(asides.app, name="aside")
app.add_typer(relay.app, name="relay")
app.add_typer(tenant.app, name="tenant")
app.add_typer(keys.app, name="keys")
app.add_typer(passwords.app, name="passwords")

if __name__ == "__main__":
    app()
