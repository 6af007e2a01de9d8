"""`endocur phantom`: draw a study folder to try everything on."""

from __future__ import annotations

import typer

from endocur.configs import PhantomConfig


def run(config: PhantomConfig) -> None:
    """Draw into `config.out`, or say that it already holds this. Raises: BadInput for a folder with other things."""
    from endocur.phantom.writing import write_study

    drawn = write_study(
        config.out,
        videos=config.videos,
        seconds=config.seconds,
        images=config.images,
        seed=config.seed,
        said=typer.echo,
    )
    where = config.out if str(config.out) != "." else "this folder"
    if not drawn:
        typer.echo(f"{where} already holds this phantom; nothing was drawn.")
    typer.echo("A phantom is drawn, not recorded: it shows that the road works, not how good an encoder is.")
    typer.echo(f"next, in {where}: endocur extract videos/")
