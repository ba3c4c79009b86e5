"""Every table, for Alembic: importing this module registers all models on `Base.metadata`."""

from app.accounts import models as accounts
from app.catalog import models as catalog
from app.db.base import Base
from app.files import models as files
from app.jobs import models as jobs
from app.ledger import models as ledger
from app.purses import models as purses

__all__ = ["Base", "accounts", "catalog", "files", "jobs", "ledger", "purses"]
