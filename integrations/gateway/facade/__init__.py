"""The typed facade, one package per dialect: `from integrations.gateway.facade import v2; v2.Api(app, location=…)`."""
