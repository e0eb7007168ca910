"""Runs fioctl 1.1, with what PyYAML 6 asks of whoever loads a file. Arguments are those of fioctl."""

import os
import sys

import yaml

os.environ.update(LC_ALL="C.UTF-8", LANG="C.UTF-8")
load = yaml.load
yaml.load = lambda stream, Loader=yaml.SafeLoader: load(stream, Loader=Loader)

from fioctl.fioctl import cli  # noqa: E402

sys.argv[0] = "fioctl"
cli()
