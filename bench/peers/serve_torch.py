"""FastAPI and PyTorch as a service of the same networks, with micro-batching: cmd/flowmatch/internal/serving asks it.

Usage: serve_torch.py PORT THREADS mlp|unet. POST /sample {"n": 10, "seed": 1, "steps": 20} is answered by
{"x": [[...]]}. Requests that come within WAIT are solved together, up to MOST points, as services of models do.
"""
import asyncio
import sys
from contextlib import asynccontextmanager

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from unet import UNet

WAIT, MOST = 0.002, 4096


class Mlp(torch.nn.Module):
    """Three hidden layers of 256 over [x, t], SiLU between them."""
    shape = (2,)

    def __init__(self):
        super().__init__()
        sizes, layers = [3, 256, 256, 256], []
        for a, b in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(a, b), torch.nn.SiLU()]
        self.net = torch.nn.Sequential(*layers, torch.nn.Linear(256, 2))

    def forward(self, t, x):
        return self.net(torch.cat([x, t[:, None]], 1))


class Images(torch.nn.Module):
    """The UNet of examples/digits.yaml, every class in turn."""
    shape = (1, 28, 28)

    def __init__(self):
        super().__init__()
        self.net = UNet(28, 32, (1, 2, 2), 1, (7,), 32)

    def forward(self, t, x):
        return self.net(t, x, torch.arange(len(x)) % 10)


class Request(BaseModel):
    n: int
    seed: int
    steps: int


class Batcher:
    """Solves for the points of waiting requests together."""

    def __init__(self, net):
        self.net, self.queue = net, asyncio.Queue()

    async def ask(self, request):
        answer = asyncio.get_running_loop().create_future()
        await self.queue.put((request, answer))
        return await answer

    async def work(self):
        left = None
        while True:
            batch = [left or await self.queue.get()]
            left = None
            end = asyncio.get_running_loop().time() + WAIT
            while sum(r.n for r, _ in batch) < MOST:
                try:
                    one = await asyncio.wait_for(self.queue.get(), end - asyncio.get_running_loop().time())
                except asyncio.TimeoutError:
                    break
                if one[0].steps != batch[0][0].steps:
                    left = one
                    break
                batch.append(one)
            x = await asyncio.to_thread(self.solve, [r for r, _ in batch])
            for (r, answer), part in zip(batch, x.split([r.n for r, _ in batch])):
                if not answer.cancelled():
                    answer.set_result(part)

    @torch.inference_mode()
    def solve(self, requests):
        noise = [torch.randn(r.n, *self.net.shape, generator=torch.Generator().manual_seed(r.seed)) for r in requests]
        x, steps = torch.cat(noise), requests[0].steps
        for k in range(steps):
            x = x + self.net(torch.full((len(x),), k / steps), x) / steps
        return x.flatten(1)


def main(port, threads, kind):
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    batcher = Batcher({"mlp": Mlp, "unet": Images}[kind]().eval())

    @asynccontextmanager
    async def life(_):
        task = asyncio.create_task(batcher.work())
        yield
        task.cancel()

    app = FastAPI(lifespan=life)

    @app.post("/sample")
    async def sample(request: Request):
        return {"x": (await batcher.ask(request)).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
