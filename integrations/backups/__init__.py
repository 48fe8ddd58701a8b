"""Backup and restore of a deployment: all tables, the spool, and the head of the audit trail, in one encrypted file.

`archive`            the format of a backup's file
`tables`             reads and fills all tables, whatever app they belong to
`spool_entries`      the spool's entries in a backup
`make`               writes a backup
`load`               fills an empty database from a backup
`proof`              proves what was restored: counts, sealed values, audit trail
`scratch_database`   a database that lives as long as a check
`restored_tokens`    what a restored copy's tokens are worth
`restored_calls`     its calls that were made since

Keys are not in it: `VAULT_KEYS` has to be kept elsewhere, and `BACKUP_KEY` opens backups only.
"""
