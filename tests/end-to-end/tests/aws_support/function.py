"""A function that says who it is, waits, fails or dies, as its event asks for. It speaks Lambda's Runtime API."""

import json
import os
import sys
import time
from urllib.request import Request, urlopen

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"

if "REFUSE_TO_START" in os.environ:
    sys.exit("REFUSE_TO_START is set")
print("cold start", flush=True)
while True:
    with urlopen(f"{API}/next") as following:
        event, headers = json.load(following), following.headers
    remaining_ms = int(headers["lambda-runtime-deadline-ms"]) - time.time() * 1000
    time.sleep(event.get("sleep_ms", 0) / 1000)
    if "die" in event:
        os._exit(7)
    outcome, answer = "response", {
        "environment": dict(os.environ),
        "process_id": os.getpid(),
        "remaining_ms": remaining_ms,
    }
    if "fail" in event:
        outcome, answer = "error", {"errorType": "Asked", "errorMessage": event["fail"]}
    url = f"{API}/{headers['lambda-runtime-aws-request-id']}/{outcome}"
    urlopen(Request(url, json.dumps(answer).encode(), method="POST")).read()
