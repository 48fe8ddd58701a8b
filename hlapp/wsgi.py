"""The web process: `gunicorn hlapp.wsgi`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from hlapp.start import prove_keys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hlapp.settings")
application = get_wsgi_application()
prove_keys()
