"""Parts of `sync.models` that import none of its tables."""
