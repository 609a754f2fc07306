"""Stand-in for the AWS command line interface.

It checks a call against AWS's own service model, as the real program does: service, operation, parameters and their types, and the query.
Then it records the call, and answers from a file. STAND_IN is a folder: `calls` gets one JSON line a call, `answers.json` may hold
{"SERVICE OPERATION": RESPONSE}."""

import json
import os
import pathlib
import sys

import botocore.exceptions
import botocore.session
import botocore.validate
import jmespath
from botocore import xform_name

FOLDER = pathlib.Path(os.environ["STAND_IN"])
GLOBAL = {"query", "output", "cli-binary-format", "cli-read-timeout", "region", "profile"}
# A command that the program adds to the service.
LOGS_TAIL = {"since", "follow", "format", "filter-pattern"}


def fail(message):
    print(f"aws: {message}", file=sys.stderr)
    sys.exit(252)


def options_of(words):
    """Values by option, and words before the first option or behind the single value of the last."""
    options, name, loose = {}, None, []
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            options[name] = []
        elif name is None:
            loose.append(word)
        else:
            options[name].append(word)
    return options, loose


def typed(shape, values, option):
    if shape.type_name == "list":
        if len(values) == 1 and values[0].startswith("["):
            return json.loads(values[0])
        return [typed(shape.member, [value], option) for value in values]
    if shape.type_name == "boolean" and not values:
        return True
    if len(values) != 1:
        fail(f"--{option} takes one value: {values}")
    (value,) = values
    if value.startswith("file://"):
        value = pathlib.Path(value.removeprefix("file://")).read_text()
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[value]
    if shape.type_name == "structure":
        pairs = dict(pair.split("=", 1) for pair in value.split(","))
        unknown = set(pairs) - set(shape.members)
        if unknown:
            fail(f"--{option}: unknown {unknown}")
        return {name: typed(shape.members[name], [text], option) for name, text in pairs.items()}
    return value


def parameters(shape, options, loose):
    members = {xform_name(name, "-"): name for name in shape.members}
    for option in options:
        if option not in members and option not in GLOBAL:
            fail(f"unknown option --{option}; there are: {' '.join(sorted(members))}")
    # `lambda invoke` names the file of the answer behind everything else.
    streams = [name for name, values in options.items() if name in GLOBAL | {"payload"} and len(values) == 2]
    for name in streams:
        loose.append(options[name].pop())
    params = {members[name]: typed(shape.members[members[name]], values, name) for name, values in options.items() if name in members}
    report = botocore.validate.ParamValidator().validate(params, shape)
    if report.has_errors():
        fail(report.generate_report())
    return params


def text(value):
    if isinstance(value, list):
        return "\n".join(text(item) for item in value) if any(isinstance(item, list) for item in value) else "\t".join(map(text, value))
    return "None" if value is None else str(value)


def main():
    service, name, *rest = sys.argv[1:]
    record = {"service": service, "operation": name}
    if (service, name) == ("logs", "tail"):
        options, (group, *_) = options_of(rest)
        if not set(options) <= LOGS_TAIL | GLOBAL:
            fail(f"logs tail: unknown options {set(options) - LOGS_TAIL}")
        params, loose = {"logGroupName": group}, []
    else:
        try:
            client = botocore.session.get_session().create_client(service, region_name="eu-west-1")
        except botocore.exceptions.UnknownServiceError as error:
            fail(error)
        if name == "wait":
            waiter, *rest = rest
            if waiter.replace("-", "_") not in client.waiter_names:
                fail(f"unknown waiter {waiter}")
            operation = client._get_waiter_config()["waiters"][next(w for w in client._get_waiter_config()["waiters"] if xform_name(w, "-") == waiter)]["operation"]
        else:
            names = {xform_name(each, "-"): each for each in client.meta.service_model.operation_names}
            operation = names.get(name) or fail(f"{service} has no operation {name}")
        options, loose = options_of(rest)
        params = parameters(client.meta.service_model.operation_model(operation).input_shape, options, loose)
    with open(FOLDER / "calls", "a") as calls:
        calls.write(json.dumps({**record, "params": params, "query": (options.get("query") or [""])[0]}, default=lambda value: value.decode()) + "\n")
    answers = FOLDER / "answers.json"
    known = json.loads(answers.read_text()) if answers.exists() else {}
    detail = params.get("QueueUrl") or params.get("FunctionName") or ""
    response = known.get(f"{service} {name} {detail}", known.get(f"{service} {name}", {}))
    if "error" in response:
        fail(response["error"])
    if (service, name) == ("lambda", "invoke"):
        (file,) = loose or fail("lambda invoke: the file of the answer is missing")
        answer = json.dumps(response.pop("Payload", {}))
        # Standard output may be a socket, which can't be opened by its name.
        print(answer) if file == "/dev/stdout" else pathlib.Path(file).write_text(answer)
    elif loose:
        fail(f"unknown words {loose}")
    if "query" in options:
        response = jmespath.search(options["query"][0], response)
    if options.get("output") == ["text"]:
        print(text(response))
    elif response is not None:
        print(json.dumps(response))


main()
