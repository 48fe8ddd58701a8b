"""What binds an install to the browser that began it: the one-time state, and the link to the page after it."""
