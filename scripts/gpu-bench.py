"""The work of gpu-bench.sh. Usage: gpu-bench.py cuda|cpu FLOWMATCH OUT

Every part has a share of the time; what does not fit is left out, and said. A part that fails does not keep the
others from running: its error is a line of the result, and the exit status is 1.
"""
import glob
import importlib.util
import json
import os
import resource
import subprocess
import sys
import threading
import time

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "peers"))
from dit import DiT  # noqa: E402
from unet import UNet  # noqa: E402

DEVICE, FLOWMATCH, OUT = sys.argv[1:4]
REAL = DEVICE == "cuda"
LIMIT = 460 if REAL else 3600  # seconds in all
BEGAN = time.monotonic()
RESULT = {"device": DEVICE, "checks": [], "times": [], "threads": [], "errors": []}


def left():
    return LIMIT - (time.monotonic() - BEGAN)


def plugin():
    """The PJRT plugin: of CUDA that of JAX's package, of the CPU that of setup-xla.sh."""
    if not REAL:
        data = os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share"))
        return os.path.join(data, "flowmatch", "pjrt_cpu.so")
    spec = importlib.util.find_spec("jax_plugins")
    for folder in spec.submodule_search_locations if spec else []:
        found = sorted(glob.glob(os.path.join(folder, "xla_cuda*", "xla_cuda_plugin.so")))
        if found:
            return found[-1]
    raise SystemExit("no xla_cuda_plugin.so in jax_plugins: install jax[cuda13] or jax[cuda12]")


XLA = "xla:" + plugin()


class Watch(threading.Thread):
    """The most memory of the GPU that the machine has in use while a process runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self):
        while REAL and not self.over.wait(0.2):
            told = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"],
                                  capture_output=True, text=True).stdout
            self.peak = max([self.peak] + [int(line) for line in told.split() if line.isdigit()])


def libraries():
    """Where the plugin of CUDA finds the libraries that come as Python packages."""
    found = []
    for folder in sys.path:
        found += glob.glob(os.path.join(folder, "nvidia", "*", "lib"))
    return ":".join(found + [os.environ.get("LD_LIBRARY_PATH", "")])


def flowmatch(*args, threads=0):
    """Runs the program, and returns its JSON and the peak of memory in MiB: of the GPU, else of the process."""
    env = dict(os.environ, LD_LIBRARY_PATH=libraries(), XLA_PYTHON_CLIENT_PREALLOCATE="false")
    if threads:
        env["GOMAXPROCS"] = str(threads)
    watch = Watch()
    watch.start()
    done = subprocess.run([FLOWMATCH, *map(str, args), "--json", "--quiet"], capture_output=True, text=True, env=env,
                          timeout=max(5, left()))
    watch.over.set()
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
        raise RuntimeError(f"flowmatch {args[0]}: {said[-300:]}")
    peak = watch.peak if REAL else resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return json.loads(done.stdout), peak


def part(name, work, *args):
    try:
        if left() < 5:
            raise RuntimeError("no time is left")
        work(*args)
    except subprocess.TimeoutExpired:
        RESULT["errors"].append(f"{name}: the time was over")
    except Exception as error:  # the next part may work
        RESULT["errors"].append(f"{name}: {error}")
        print(f"{name}: {error}", file=sys.stderr, flush=True)


def images(name, n, side, channels, classes=10):
    """Writes n images of noise, and their classes, as NPY."""
    rng = np.random.default_rng(1)
    shape = (n, side, side) if channels == 1 else (n, side, side, channels)
    file = os.path.join(OUT, name)
    np.save(file + ".npy", rng.integers(0, 256, shape, dtype=np.uint8))
    np.save(file + "-labels.npy", rng.integers(0, classes, n, dtype=np.uint8))
    return f"data: {{kind: images, path: {file}.npy, labels_path: {file}-labels.npy, val: 8, test: 8}}\nconditional: true\n"


# The same run by both engines. The first losses are those of the same weights, moved by rounding alone.
SMALL = "train: {steps: 20, batch: 64, log_every: 1, val_every: 0}\n"


def runs():
    digits = images("small", 64, 8, 1)
    return {
        "perceptron": "data: {name: moons}\n" + SMALL,
        "optimal transport": "data: {name: checkerboard}\ncoupling: {name: ot}\n" + SMALL,
        "noise on a VP path": "data: {name: 8gaussians}\npath: {name: vp}\nnet: {residual: {width: 64, blocks: 2}}\n"
                              + SMALL.replace("batch", "prediction: noise, batch"),
        "sphere": "data: {name: wrapped}\nspace: sphere\n" + SMALL,
        "UNet": digits + "net: {unet: {channels: 16, mult: [1, 2]}}\n" + SMALL.replace("64", "16"),
        "transformer": digits + "net: {dit: {width: 32, depth: 2, heads: 2}}\n" + SMALL.replace("64", "16"),
    }


def losses(folder):
    with open(os.path.join(folder, "metrics.jsonl")) as f:
        return np.array([json.loads(line)["loss"] for line in f])


def check(name, text):
    """Losses of a training by both engines, and samples and log-densities of one model."""
    base = os.path.join(OUT, name.replace(" ", "-"))
    with open(base + ".yaml", "w") as f:
        f.write(text)
    for engine, backend in ("native", "native"), ("xla", XLA):
        subprocess.run(["rm", "-rf", f"{base}-{engine}"], check=True)
        flowmatch("train", base + ".yaml", "--out", f"{base}-{engine}", "--set", "backend=" + backend)
    a, b = losses(base + "-native"), losses(base + "-xla")
    row = {"run": name, "loss": float(np.max(np.abs(a - b) / np.abs(a)))}
    points = {}
    for engine, backend in ("native", "native"), ("xla", XLA):
        points[engine] = f"{base}-{engine}.npy"
        flowmatch("sample", base + "-native", "--n", 16, "--seed", 3, "--solver", "euler", "--steps", 20, "--backend",
                  backend, "--out", points[engine])
    x, y = np.load(points["native"]), np.load(points["xla"])
    row["samples"] = float(np.abs(x - y).max() / np.abs(x).max())
    density = []
    for engine, backend in ("native", "native"), ("xla", XLA):
        file = f"{base}-{engine}-logp.npy"
        given = ["--label", "1"] if "conditional" in text else []
        flowmatch("logp", base + "-native", "--data", points["native"], "--solver", "heun2", "--steps", 20, "--seed", 3,
                  "--backend", backend, "--out", file, *given)
        density.append(np.load(file))
    row["log p"] = float(np.abs(density[0] - density[1]).max() / np.abs(density[0]).max())
    # Rounding grows along a training; samples and densities are of the same weights.
    row["agree"] = bool(row["loss"] < 2e-2 and row["samples"] < 5e-3 and row["log p"] < 5e-3)
    RESULT["checks"].append(row)
    if not row["agree"]:
        RESULT["errors"].append(f"{name}: the engines differ, {row}")


def sizes():
    """The networks that are timed: a run file, the module in PyTorch, the shape of a point, batch and precisions."""
    def unet(side, images, channels, mult, blocks, attention, head, plain):
        of = f"{{unet: {{channels: {channels}, mult: {list(mult)}, blocks: {blocks}, attention: {list(attention)}, " \
             f"head_channels: {head}{plain}}}}}"
        return of, (lambda: UNet(side, channels, mult, blocks, attention, head, images)), (images, side, side)

    def dit(side, width, depth, heads):
        of = f"{{dit: {{width: {width}, depth: {depth}, heads: {heads}}}}}"
        return of, (lambda: DiT(side, 3, 2, width, depth, heads, 10)), (3, side, side)

    if REAL:
        nets = [("digits UNet", unet(28, 1, 32, (1, 2, 2), 1, (7,), 32, ""), 256, ("float32",)),
                ("CIFAR UNet", unet(32, 3, 256, (1, 2, 2, 2), 2, (16,), 64, ", group_channels: 1"), 64,
                 ("float32", "bf16")),
                ("DiT-S/2", dit(32, 384, 12, 6), 64, ("float32",))]
    else:
        nets = [("digits UNet", unet(8, 1, 8, (1,), 1, (8,), 8, ""), 8, ("float32",)),
                ("CIFAR UNet", unet(8, 3, 32, (1,), 1, (8,), 32, ", group_channels: 1"), 4, ("float32", "bf16")),
                ("DiT-S/2", dit(8, 32, 1, 2), 4, ("float32",))]
    for name, (net, make, shape), batch, precisions in nets:
        data = images(name.replace("/", "-").replace(" ", "-"), 4 * batch, shape[1], shape[0])
        yield name, data + f"net: {net}\n", make, shape, batch, precisions


SHORT, LONG = (10, 40) if REAL else (2, 6)  # steps of training, and evaluations of a sampling


def folder(name, precision):
    return os.path.join(OUT, f"{name.replace('/', '-').replace(' ', '-')}-{precision}")


def ours(name, text, batch, precision):
    """Examples a second in training, compilation left out: what the log says of the steps after the first ones."""
    base = folder(name, precision)
    with open(base + ".yaml", "w") as f:
        f.write(text + f"train: {{steps: {LONG}, batch: {batch}, log_every: {SHORT}, val_every: 0, "
                       f"checkpoint_every: {LONG}, precision: {precision}}}\n")
    subprocess.run(["rm", "-rf", base], check=True)
    _, peak = flowmatch("train", base + ".yaml", "--out", base, "--set", "backend=" + XLA)
    with open(os.path.join(base, "metrics.jsonl")) as f:
        lines = [json.loads(line) for line in f]
    first, last = lines[0], lines[-1]
    RESULT["times"].append({
        "network": name, "precision": precision, "who": "flowmatch, xla", "batch": batch, "memory MiB": peak,
        "training": batch * (last["step"] - first["step"]) / (last["seconds"] - first["seconds"])})


def sampling(name, batch):
    """Images a second of an evaluation, of the run that ours has trained: the time of more steps less that of few."""
    base, spent = folder(name, "float32"), []
    for steps in SHORT, LONG:
        told, _ = flowmatch("sample", base, "--n", batch, "--label", 1, "--solver", "euler", "--steps", steps,
                            "--backend", XLA, "--out", base + ".npy")
        spent.append(told["seconds"])
    row = next(t for t in RESULT["times"] if t["network"] == name and t["who"].startswith("flowmatch"))
    row["sampling"] = batch * (LONG - SHORT) / max(1e-9, spent[1] - spent[0])


def clock():
    if REAL:
        torch.cuda.synchronize()
    return time.perf_counter()


def theirs(name, make, shape, batch, precision):
    """The same by torch.compile, with fused Adam and an average of the weights as flowmatch has it."""
    torch.manual_seed(1)
    if REAL:
        torch.cuda.reset_peak_memory_stats()
    with torch.device(DEVICE):
        net, label = make(), torch.randint(0, 10, (batch,))
        average = [p.detach().clone() for p in net.parameters()]
        adam = torch.optim.Adam(net.parameters(), 1e-4, fused=True)
        net.compile()

        def step():
            x0, x1, t = torch.randn(batch, *shape), torch.rand(batch, *shape) * 2 - 1, torch.rand(batch)
            s = t[:, None, None, None]
            adam.zero_grad()
            with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bf16"):
                v = net(t, (1 - s) * x0 + s * x1, label)
            ((v.float() - (x1 - x0)) ** 2).mean().backward()
            adam.step()
            torch._foreach_lerp_(average, list(net.parameters()), 1e-3)

        with torch.enable_grad():
            for _ in range(SHORT):
                step()
            start = clock()
            for _ in range(LONG - SHORT):
                step()
            seconds = clock() - start
        peak = torch.cuda.max_memory_reserved() / 2**20 if REAL else \
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"network": name, "precision": precision, "who": "torch.compile", "batch": batch, "memory MiB": peak,
               "training": batch * (LONG - SHORT) / seconds}
        if precision == "float32":
            net.eval()
            with torch.no_grad():
                for steps in SHORT, LONG:  # the first compiles
                    x, start = torch.randn(batch, *shape), clock()
                    for k in range(steps):
                        x = x + net(torch.full((batch,), k / steps), x, label) / steps
                    row["sampling"] = batch * steps / (clock() - start)
        RESULT["times"].append(row)


def by_threads(case, make):
    """A case of flowmatch bench on so many threads of the native engine, beside PyTorch."""
    cores = len(os.sched_getaffinity(0))
    work = make()
    for threads in 1, 2, 4, 8, 16:
        if threads > cores:
            break
        told, _ = flowmatch("bench", case, "--budget", "2s" if REAL else "300ms", threads=threads)
        torch.set_num_threads(threads)
        work()
        best = min(timed(work) for _ in range(5 if REAL else 2))
        RESULT["threads"].append({"case": case, "threads": threads, "flowmatch": told["results"][0]["seconds"],
                                  "torch": best})


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stepper(net, shape, batch, labelled):
    adam, label = torch.optim.Adam(net.parameters(), 1e-3, fused=True), torch.randint(0, 10, (batch,))

    def step():
        x0, x1, t = torch.randn(batch, *shape), torch.randn(batch, *shape), torch.rand(batch)
        s = t.reshape(batch, *[1] * len(shape))
        adam.zero_grad()
        xt = (1 - s) * x0 + s * x1
        v = net(t, xt, label) if labelled else net(torch.cat([xt, s], 1))
        ((v - (x1 - x0)) ** 2).mean().backward()
        adam.step()
    return step


def perceptron(width, depth):
    layers = [torch.nn.Linear(3, width), torch.nn.SiLU()]
    for _ in range(depth - 1):
        layers += [torch.nn.Linear(width, width), torch.nn.SiLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 2))


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(f"{v:.3g}" if isinstance(v, float) and v < 100 else f"{v:.0f}" if isinstance(v, float)
                                else str(v) for v in row) + " |"
    yield ""


def page():
    r = RESULT
    yield f"{r['name']}, {r['cores']} cores of the CPU, {r['seconds']:.0f} s in all; torch {torch.__version__}"
    if not REAL:
        yield ""
        yield "A rehearsal on a CPU, with small networks: its times say nothing of a GPU."
    else:
        yield "MiB are those in use on the GPU, as nvidia-smi has them; XLA reserves them ahead. Of torch: reserved."
    yield ""
    yield from table(["run", "losses differ by", "samples", "log p", "agree"],
                     [[c["run"], c["loss"], c["samples"], c["log p"], "yes" if c["agree"] else "no"] for c in r["checks"]])
    yield from table(["network", "precision", "batch", "who", "training, examples/s", "evaluation, images/s",
                      "MiB"],
                     [[t["network"], t["precision"], t["batch"], t["who"], t["training"], t.get("sampling", "-"),
                       t["memory MiB"]] for t in r["times"]])
    first = {}
    rows = []
    for t in r["threads"]:
        base = first.setdefault(t["case"], t)
        rows.append([t["case"], t["threads"], 1000 * t["flowmatch"], 1000 * t["torch"],
                     base["flowmatch"] / t["flowmatch"] / t["threads"], base["torch"] / t["torch"] / t["threads"]])
    yield from table(["case, ms a step", "threads", "flowmatch", "torch", "efficiency", "of torch"], rows)
    yield from (f"- not measured: {e}" for e in r["errors"])


def main():
    RESULT["name"] = torch.cuda.get_device_name() if REAL else "CPU"
    RESULT["cores"] = len(os.sched_getaffinity(0))
    for name, text in runs().items():
        part(name, check, name, text)
    timed_nets = list(sizes())
    for name, text, make, shape, batch, precisions in timed_nets:
        for precision in precisions:
            part(f"{name} {precision}", ours, name, text, batch, precision)
            part(f"{name} {precision} in torch", theirs, name, make, shape, batch, precision)
    part("threads", by_threads, "train mlp64x3 B256" if not REAL else "train mlp512x5 B4096",
         lambda: stepper(perceptron(*((512, 5) if REAL else (64, 3))), (2,), 4096 if REAL else 256, False))
    part("threads", by_threads, "train unet32 28x28 B64",
         lambda: stepper(UNet(28, 32, (1, 2, 2), 1, (7,), 32), (1, 28, 28), 64, True))
    for name, _, _, _, batch, _ in timed_nets:
        part(f"{name}, sampling", sampling, name, batch)
    RESULT["seconds"] = time.monotonic() - BEGAN
    with open(os.path.join(OUT, "gpu.json"), "w") as f:
        json.dump(RESULT, f, indent=1)
    with open(os.path.join(OUT, "gpu.md"), "w") as f:
        for line in page():
            f.write(line + "\n")
    print(open(os.path.join(OUT, "gpu.md")).read())
    sys.exit(1 if RESULT["errors"] else 0)


if __name__ == "__main__":
    main()
