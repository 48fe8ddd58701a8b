"""A simulated HighLevel over real HTTP, with faults on demand: `manage.py sandbox` or `python -m integrations.sandbox`.

It imports none of the rooms and is a development tool. Its folders:

- `server`: the aiohttp application and its command line. `gate` checks token, quota and scope of each API request;
  `fault_middleware` applies fault rules.
- `pages`: HTML pages: the choose-location page, the overview, page SSO.
- `controls`: the sandbox's own API under `/sandbox/`, and the environment variables for an app that uses it.
- `endpoints`: the operations on tokens and installations.
- `resources`: the data operations, one folder for each of the vendor's resources, and random changes made through them.
- `events`: webhooks: bodies, signatures, delivery and retries.
- `oauth`: issued codes and tokens, installations, the marketplace app.
- `data`: agencies, locations and records, made from a seed.

A folder imports from those below it. Beside them: `options`, the running state (`context`), the types of an operation
(`protocol`), the vendor's error answers (`refusals`), quota windows (`quota`) and fault rules (`faults`).

Tests start one with `server.embedded.serve_in_thread`.
"""
