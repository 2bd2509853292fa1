"""What the peers share: the conversation with flowmatch bench, and the timing.

A peer is a Python program that times the same work as flowmatch with another
library. It says hello with one JSON line, {"versions": {library: version},
"cases": [name, ...]}, reads requests from standard input, one JSON object a
line, {"case": name, "seconds": how long to measure each way,
"only": one way or ""}, and answers each with one JSON line:

    {"case": name, "seconds": {way: time of one unit}, "start": bytes, "peak": bytes}

start is the memory of the process after its imports, peak the most it has held
since it began. An error is {"case": name, "error": text}. By hand:

    echo '{"case": "train mlp64x3 B256", "seconds": 1}' | python with_torch.py 2
"""
import json
import sys
import time


def memory(field):
    """A line of /proc/self/status in bytes (VmRSS: now, VmHWM: at most); the peak elsewhere."""
    try:
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith(field))
    except OSError:
        import resource
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def mean(work, seconds, wait):
    """The time of a call of work, the mean of as many as fit; one more says how many."""
    start = time.perf_counter()
    wait(work())
    calls = max(1, int(seconds / (time.perf_counter() - start)))
    start = time.perf_counter()
    for _ in range(calls):
        last = work()
    wait(last)
    return (time.perf_counter() - start) / calls


def serve(versions, cases, wait=lambda result: None):
    """Answers requests until standard input ends.

    cases maps the name of a case to a function that returns {way: work}, where
    work does one unit; it is called once, at the first request. wait waits for
    what work has returned.
    """
    start, ready = memory("VmRSS"), {}
    print(json.dumps({"versions": versions, "cases": list(cases)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        name, only, times = request["case"], request.get("only", ""), {}
        try:
            fresh = name not in ready
            if fresh:
                ready[name] = cases[name]()
            for way, work in ready[name].items():
                if only in ("", way):
                    if fresh:
                        wait(work())  # compiles
                    times[way] = mean(work, request["seconds"], wait)
            answer = {"case": name, "seconds": times, "start": start, "peak": memory("VmHWM")}
        except Exception as error:  # the next case may work
            answer = {"case": name, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def nets():
    """The networks of the solves: (hidden width, hidden layers)."""
    return ((64, 3), (512, 5))


def training():
    """The training cases: (hidden width, hidden layers, batch)."""
    return ((64, 3, 256), (256, 4, 1024), (512, 5, 4096))


def half_training():
    """The training cases in bfloat16: (hidden width, hidden layers, batch)."""
    return ((512, 5, 4096), (4096, 3, 1024))
