"""A HighLevel stand-in over real HTTP, with faults on demand: `manage.py sandbox` or `python -m integrations.sandbox`.

It imports none of the rooms and is a development tool. Its folders:

- `server`: the aiohttp application, its command line and options. `gate` checks token, quota and scope of each API
  request; `controls` and `report` are the sandbox's own API under `/sandbox/`.
- `resources`: the data operations, one folder for each of the vendor's resources.
- `oauth`: the OAuth endpoints, tokens, installations, and uninstalls.
- `events`: webhooks: bodies, signatures, delivery and retries.
- `faults`: fault rules, and the middleware that applies them.
- `data`: agencies, locations and records, made from a seed.
- `pages`: HTML pages: the choose-location page, the overview, page SSO.

Tests start one with `server.embedded.serve_in_thread`.
"""
