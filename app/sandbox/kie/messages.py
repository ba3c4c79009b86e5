"""The callbacks of a task: what is sent, where and when."""

from collections.abc import Iterator
from dataclasses import replace

from app.sandbox.callbacks import Callback
from app.sandbox.directives import Directives
from app.sandbox.kie.results import job_record
from app.sandbox.tasks import JsonObject, Task

DONE = "Playground task completed successfully."
FAILED = "Playground task failed."
STOLEN_FILE = "https://forged.invalid/not-yours.png"


def callbacks_of(task: Task) -> Iterator[Callback]:
    """All callbacks of the task, bent as its directives say."""
    asked, url = task.directives, task.callback_url
    if url is None:
        return
    if asked.forged_callback:
        yield Callback(task.created_at, url, task.id, _forged(task))
    if asked.no_callback or asked.lost_answer_no_callback:
        return
    callback = Callback(task.ends_at + (asked.late_callback or 0), url, task.id, job_message(task))
    yield callback
    if asked.duplicate_callback:
        yield callback


def job_message(task: Task) -> JsonObject:
    """The message of the jobs API: the query's answer, in another envelope."""
    failed = task.directives.fail
    data = job_record(task, task.ends_at)
    return {"code": 501 if failed else 200, "msg": FAILED if failed else DONE, "data": data}


def _forged(task: Task) -> JsonObject:
    message = job_message(replace(task, directives=Directives()))
    message["data"] |= {"resultJson": f'{{"resultUrls":["{STOLEN_FILE}"]}}'}
    return message
