"""facebookresearch/flow_matching as a peer, as in its example in the plane; see peer.py."""
import torch
from flow_matching.path import CondOTProbPath
from flow_matching.solver import ODESolver
from torch.distributions import Independent, Normal

import peer
import tokens

path = CondOTProbPath()


class MLP(torch.nn.Module):
    """The network of the other peer: the library has none."""

    def __init__(self, dim, width):
        super().__init__()
        layers = [torch.nn.Linear(dim + 1, width), torch.nn.SELU()]
        for _ in range(2):
            layers += [torch.nn.Linear(width, width), torch.nn.SELU()]
        self.net = torch.nn.Sequential(*layers, torch.nn.Linear(width, dim))

    def forward(self, x):
        return self.net(x)


def example(x0, x1):
    s = path.sample(x_0=x0, x_1=x1, t=torch.rand(len(x1)))
    return s.t, s.x_t, s.dx_t


def likelihood(net, x, tolerance):
    field = lambda x, t: net(torch.cat([x, t.expand(len(x), 1)], 1))
    source = Independent(Normal(torch.zeros(x.shape[1]), torch.ones(x.shape[1])), 1)
    _, logp = ODESolver(field).compute_likelihood(x, source.log_prob, step_size=None, method="dopri5",
                                                  rtol=tolerance, atol=tolerance, exact_divergence=True)
    return logp


if __name__ == "__main__":
    peer.main("flow-matching", MLP, example, likelihood, tokens.answer)
