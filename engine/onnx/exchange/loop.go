package exchange

import (
	"errors"
	"fmt"

	"flowmatch/engine/onnx"
)

// mostTurns is more than a loop that is built turn by turn should have.
const mostTurns = 1 << 12

// loop builds a loop turn by turn. How often it runs must be known when the graph is built, and its
// condition must not depend on what it computes.
func (c call) loop() ([]*operand, error) {
	body, ok := c.n.Attrs["body"].(*onnx.Graph)
	switch {
	case !ok:
		return nil, errors.New("it has no body")
	case !c.has(0) || c.in[0].host == nil || len(c.in[0].host.Ints) != 1:
		return nil, errors.New("the number of its turns must be known when the graph is built")
	case c.has(1) && !true1(c.in[1]):
		return nil, errors.New("a loop with a condition is not known")
	}
	carried := c.in[2:]
	turns := c.in[0].host.Ints[0]
	switch {
	case turns < 0 || turns > mostTurns:
		return nil, fmt.Errorf("%d turns; at most %d are built", turns, mostTurns)
	case len(body.Inputs) != 2+len(carried) || len(body.Outputs) != 1+len(carried):
		return nil, fmt.Errorf("a body of %d inputs and %d outputs for %d values; results of each turn are not known",
			len(body.Inputs), len(body.Outputs), len(carried))
	}
	for turn := range turns {
		var err error
		if carried, err = c.turn(body, turn, carried); err != nil {
			return nil, fmt.Errorf("turn %d: %w", turn+1, err)
		}
	}
	return carried, nil
}

// turn builds one turn of a loop: what its values become.
func (c call) turn(body *onnx.Graph, turn int64, carried []*operand) ([]*operand, error) {
	c.values[body.Inputs[0].Name] = hostInts([]int64{turn}, nil)
	c.values[body.Inputs[1].Name] = &operand{host: &onnx.Tensor{Type: onnx.Bool, Ints: []int64{1}}}
	for i, v := range carried {
		c.values[body.Inputs[2+i].Name] = v
	}
	for i := range body.Nodes {
		if err := c.add(&body.Nodes[i]); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", body.Nodes[i].Name, body.Nodes[i].Op, err)
		}
	}
	out := make([]*operand, len(body.Outputs))
	for i, v := range body.Outputs {
		if out[i] = c.values[v.Name]; out[i] == nil {
			return nil, fmt.Errorf("its result %q is made by no node", v.Name)
		}
	}
	if !true1(out[0]) {
		return nil, errors.New("a loop with a condition is not known")
	}
	return out[1:], nil
}

// true1 says whether a value is known to be true.
func true1(v *operand) bool { return v.host != nil && len(v.host.Ints) == 1 && v.host.Ints[0] != 0 }
