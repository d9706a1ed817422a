"""python -m pixelgan_jax.main --config experiments/NAME.py"""

import os
import signal
import sys


def main() -> None:
    if os.name != "posix":
        sys.exit("error: pixelgan_jax runs on Linux and macOS; on Windows use WSL")
    # The imports below take seconds, in which there is nothing to save or to tidy up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(128 + number))

    from pixelgan_jax import cli

    cli.prepare_process()
    sys.exit(cli.run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
