"""One module a command, each with `run(config)`; nobody imports them but the command line."""
