#!/usr/bin/env python
"""The command line of hlapp in a checkout (`hlapp.command_line`)."""

from __future__ import annotations

import sys

from hlapp.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
