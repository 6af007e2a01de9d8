"""`endomae pretrain`: train an encoder on shards; the same line again resumes."""

from __future__ import annotations

import sys
import time

from endomae.configs import PretrainConfig
from endoshards.errors import BadInput, EndoError


def run(config: PretrainConfig) -> None:
    """Train, in as many processes as there are GPUs.

    Raises: BadInput, BadOption before anything is trained; CheckFailed for a loss that is not finite;
        Stopped after SIGTERM; KeyboardInterrupt after ctrl-C; each with everything saved.
    """
    begin = time.monotonic()  # a budget of minutes counts from here: the imports below take seconds
    from endomae.train import session
    from endomae.train.launch import launch, launched_by_others
    from endomae.train.outline import say_to_stderr, silent
    from endomae.train.plan import plan
    from endomae.train.report import unreadable, verdict
    from endomae.train.stop import StopSignals
    from endomae.train.world import choose_device, device_count, join

    device = choose_device(config.device)
    there = device_count(device)
    processes = config.devices or (there if device == "cuda" else 1)
    if device == "cuda" and processes > there:
        raise BadInput(f"--devices is {processes}; this machine shows {there} GPUs.")
    if processes > 1 and not launched_by_others():
        sys.exit(launch(config, processes))
    with StopSignals() as signals, join(device) as world:
        say = say_to_stderr if world.is_first else silent
        try:
            the = plan(config, device, world.ranks)
            if config.dry_run:
                session.dry_run(the, world, say)
                return
            trained = session.train(the, world, signals, say, begin=begin)
        except (EndoError, KeyboardInterrupt) as error:
            if world.is_first:
                raise
            # The first process tells it; the others end with the same code.
            sys.exit(130 if isinstance(error, KeyboardInterrupt) else error.exit_code)
        if world.is_first:
            word = "is finished" if trained else "was finished before; --again NAME starts another"
            lines = [f"run {the.run.root} {word}", verdict(the.run), unreadable(the.run)]
            lines += [f"encoder: {the.run.export}"]
            lines += [f"report: {the.run.report}", "next: endomae eval"]
            sys.stdout.write("\n".join(filter(None, lines)) + "\n")
