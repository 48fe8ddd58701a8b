"""The page of what keeps secrets and proofs: keys of the vault, grants in the spool, the head of the audit trail."""
