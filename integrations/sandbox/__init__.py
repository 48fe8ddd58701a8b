"""A HighLevel stand-in over real HTTP, with faults on demand: `manage.py sandbox` or `python -m integrations.sandbox`.

It imports none of the rooms. Where what is: `server` puts it together; `gate` is every API request's way through token,
quota and scope to the operations of `resources`; `oauth`, `location_tokens`, `installed_locations` and `installations`
are the vendor's own endpoints, `chooselocation` its install pages; `lifecycle` and `deliveries` send webhooks;
`disturbance` and `faults` make things go wrong; `controls`, `report`, `overview` and `sso_pages` are the sandbox's own
pages under `/sandbox/`; `world` and `seed` are the data. Tests start one with `embedded.serve_in_thread`.
"""
