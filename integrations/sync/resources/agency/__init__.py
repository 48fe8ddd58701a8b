"""Records of companies (agencies), which are listed with the company's own token."""
