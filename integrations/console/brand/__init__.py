"""Name, logo, colours and words of the pages that agencies see, as the operator of this deployment wants them."""
