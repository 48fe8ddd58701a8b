"""Resources that a location publishes: sites, blogs, media, social posts, e-mails, documents."""
