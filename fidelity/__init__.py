"""HighLevel's own SDKs as clients of the sandbox: whatever they expect of the vendor, the sandbox has to do."""
