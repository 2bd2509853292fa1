"""torchcfm as a peer, as in its tutorial of flow matching in the plane; see peer.py."""
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher
from torchcfm.models.models import MLP

import peer

if __name__ == "__main__":
    peer.main("torchcfm", lambda dim, width: MLP(dim=dim, w=width, time_varying=True),
              ConditionalFlowMatcher(sigma=0.0).sample_location_and_conditional_flow)
