"""What the vendor publishes of its operations, so that the sandbox knows what it does not play.

`vendor_routes` has every route of the vendor. With a folder of the vendor's OpenAPI files (`--openapi`),
`played_by_schema` answers the operations that no code plays, from the schemas of their responses (`schema_data`).
"""
