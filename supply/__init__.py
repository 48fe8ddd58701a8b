"""Development tools for the packages that requirements/ locks: known vulnerabilities, licences, and the SBOM."""
