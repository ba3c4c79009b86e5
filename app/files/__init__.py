"""The register of stored files: uploads, inputs and results. The bytes are app.storage's."""
