"""The schema's history (Alembic). File names are dated; revisions are numbered."""
