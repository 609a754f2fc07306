"""moto's server, with queues that many can use at the same time and that can be long.

Each request is answered on a thread of its own, but reading, deleting and delaying messages is not guarded: two readers
get the same message, and a message that is sent while another is deleted can vanish. A real queue may do the first, now
and then, and never the second. So these calls take the lock that sending takes already; waiting for a message lets
go of it.

Nearly everything looks at every message of the queue, sending too, and asks the clock in a roundabout way each time. With
a thousand messages, taking ten and deleting them lasts most of a second. What is replaced for that has the same results:
the clock, the look at receipt handles, and the counts. Those are taken at one instant, and kept for a moment where
no request asked for them.
"""

import time
from functools import wraps

from moto.server import main
from moto.sqs import models
from moto.sqs.models import Message, Queue, SQSBackend

COUNTS_KEPT_SECONDS = 0.02


def guarded(function, queue_of):
    @wraps(function)
    def alone(*args, **kwargs):
        with queue_of(*args, **kwargs)._messages_lock:
            return function(*args, **kwargs)

    return alone


def named(backend, queue_name, *_, **__):
    return backend.get_queue(queue_name)


Queue.delete_message = guarded(Queue.delete_message, lambda queue, *_, **__: queue)
SQSBackend.receive_message = guarded(SQSBackend.receive_message, named)
SQSBackend.change_message_visibility = guarded(SQSBackend.change_message_visibility, named)


def had_receipt_handle(message, handle):
    return handle == message.receipt_handle or handle in message._old_receipt_handles


def counts(queue):
    taken, kept = getattr(queue, "_counts", (0.0, None))
    if time.monotonic() - taken < COUNTS_KEPT_SECONDS:
        return kept
    with queue._messages_lock:
        hidden = sum(not message.visible for message in queue._messages)
        delayed = sum(message.delayed for message in queue._messages)
        kept = {"visible": len(queue._messages) - hidden - delayed, "hidden": hidden, "delayed": delayed}
    queue._counts = (time.monotonic(), kept)
    return kept


def get_queue_attributes(backend, queue_name, attribute_names, _original=SQSBackend.get_queue_attributes):
    backend.get_queue(queue_name)._counts = (0.0, None)
    return _original(backend, queue_name, attribute_names)


models.unix_time_millis = lambda: time.time() * 1000
Message.had_receipt_handle = had_receipt_handle
SQSBackend.get_queue_attributes = get_queue_attributes
Queue.approximate_number_of_messages = property(lambda queue: counts(queue)["visible"])
Queue.approximate_number_of_messages_not_visible = property(lambda queue: counts(queue)["hidden"])
Queue.approximate_number_of_messages_delayed = property(lambda queue: counts(queue)["delayed"])

main()
