"""All routes of the operator, under one prefix."""

from fastapi import APIRouter

from app.api.admin import accounts, operations
from app.api.schemas import error_responses

router = APIRouter(prefix="/api/v1/admin", responses=error_responses(401, 403, 429))
router.include_router(accounts.router)
router.include_router(operations.router)
