"""The web process under an ASGI server."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from hlapp.start import prove_keys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hlapp.settings")
application = get_asgi_application()
prove_keys()
