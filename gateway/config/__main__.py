"""`python -m gateway.config > docs/configuration.md` writes the reference page."""

import sys

from gateway.config.reference import page

sys.stdout.write(page())
