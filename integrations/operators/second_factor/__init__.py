"""The second factor of operators: authenticator apps (TOTP), passkeys (WebAuthn) and recovery codes."""
