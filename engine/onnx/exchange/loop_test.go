package exchange_test

import (
	"slices"
	"strings"
	"testing"

	"flowmatch/engine/onnx"
)

// loopOf is a loop of turns that takes v to v·w + turn, with w of the graph around it, and y to what v is then.
func loopOf(change func(n *onnx.Node, body *onnx.Graph)) []onnx.Node {
	value := func(name string, t onnx.DataType) onnx.Value {
		return onnx.Value{Name: name, Type: t, Dims: []onnx.Dim{}}
	}
	body := &onnx.Graph{Name: "body",
		Inputs:  []onnx.Value{value("turn", onnx.Int64), value("on", onnx.Bool), value("v", onnx.Float)},
		Outputs: []onnx.Value{value("more", onnx.Bool), value("next", onnx.Float)},
		Nodes: []onnx.Node{
			{Name: "a", Op: "Identity", In: []string{"on"}, Out: []string{"more"}},
			{Name: "b", Op: "Cast", In: []string{"turn"}, Out: []string{"k"}, Attrs: attrs{"to": int64(onnx.Float)}},
			{Name: "c", Op: "Mul", In: []string{"v", "w"}, Out: []string{"scaled"}},
			{Name: "d", Op: "Add", In: []string{"scaled", "k"}, Out: []string{"next"}}}}
	n := onnx.Node{Name: "loop", Op: "Loop", In: []string{"m", "", "x"}, Out: []string{"y"}, Attrs: attrs{"body": body}}
	if change != nil {
		change(&n, body)
	}
	return []onnx.Node{n}
}

func TestLoopsAreBuiltTurnByTurn(t *testing.T) {
	x := []float32{1, -2}
	for turns := range 5 {
		want := slices.Clone(x)
		for turn := range turns {
			for i := range want {
				want[i] = 3*want[i] + float32(turn)
			}
		}
		m := onnx.Tensor{Name: "m", Type: onnx.Int64, Ints: []int64{int64(turns)}}
		got, _, err := build(loopOf(nil), []onnx.Tensor{m, floats("w", []int64{1}, 3)}, []int{2}, x)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d turns: %v, %v; want %v", turns, got, err, want)
		}
	}
}

func TestLoopsThatAreNotKnownAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		turns  int64
		change func(n *onnx.Node, body *onnx.Graph)
		want   string
	}{
		"too many turns":  {1 << 40, nil, "at most 4096"},
		"turns below 0":   {-1, nil, "-1 turns"},
		"no body":         {2, func(n *onnx.Node, _ *onnx.Graph) { delete(n.Attrs, "body") }, "no body"},
		"turns of inputs": {2, func(n *onnx.Node, _ *onnx.Graph) { n.In[0] = "x" }, "must be known"},
		"a condition": {2, func(_ *onnx.Node, b *onnx.Graph) {
			b.Nodes[0] = onnx.Node{Name: "a", Op: "Less", In: []string{"k", "w"}, Out: []string{"more"}}
			b.Nodes[0], b.Nodes[1] = b.Nodes[1], b.Nodes[0]
		}, "a loop with a condition"},
		"results of each turn": {2, func(_ *onnx.Node, b *onnx.Graph) {
			b.Outputs = append(b.Outputs, b.Outputs[1])
		}, "results of each turn"},
		"no result": {2, func(_ *onnx.Node, b *onnx.Graph) { b.Outputs[1].Name = "none" }, `"none" is made by no node`},
		"no value":  {2, func(_ *onnx.Node, b *onnx.Graph) { b.Nodes[2].In[1] = "nothing" }, "nothing"},
	} {
		m := onnx.Tensor{Name: "m", Type: onnx.Int64, Ints: []int64{c.turns}}
		_, _, err := build(loopOf(c.change), []onnx.Tensor{m, floats("w", []int64{1}, 3)}, []int{2}, []float32{1, 2})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}
