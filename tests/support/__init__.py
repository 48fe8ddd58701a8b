"""What many tests share and no fixture hands out: waiting, processes, checks of whole tables."""
