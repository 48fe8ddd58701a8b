"""Rights of operators, sealed: who writes to the database makes no operator of anybody.

`rights_seal`      seals an account, proves a seal, and what happens to it with a lost key
`ways_in`          digests of second factors and of the link to an identity provider
`sealed_backend`   Django's authentication backend, for accounts whose seal fits
"""
