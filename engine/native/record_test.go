package native

import (
	"errors"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

func TestARecordingListsTheOperationsInOrder(t *testing.T) {
	b, err := New(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	bd := NewRecorder(b).Builder("two")
	f := bd.Main()
	x, err := f.Parameter("x", shapes.Make(dtypes.Float32, 2, 3), nil)
	if err != nil {
		t.Fatal(err)
	}
	y, err := f.Transpose(x, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	z, err := f.DotGeneral(x, []int{1}, nil, y, []int{0}, nil, compute.DotGeneralConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Return([]compute.Value{z}, nil); err != nil {
		t.Fatal(err)
	}
	e, err := bd.Compile()
	if err != nil {
		t.Fatal(err)
	}
	rec := e.(*Recording)
	want := []Op{
		{Name: "Parameter", Out: []int{0}}, {Name: "Transpose", In: []int{0}, Out: []int{1}},
		{Name: "DotGeneral", In: []int{0, 1}, Out: []int{2}},
	}
	if len(rec.Ops) != len(want) || !slices.Equal(rec.Results, []int{2}) {
		t.Fatalf("recorded %+v with results %v", rec.Ops, rec.Results)
	}
	for i, w := range want {
		if op := rec.Ops[i]; op.Name != w.Name || !slices.Equal(op.In, w.In) || !slices.Equal(op.Out, w.Out) {
			t.Errorf("operation %d is %+v, want %+v", i, op, w)
		}
	}
	if perm := rec.Ops[1].Attrs[0].([]int); !slices.Equal(perm, []int{1, 0}) ||
		!slices.Equal(rec.Ops[2].Shapes[0].Dimensions, []int{2, 2}) {
		t.Errorf("the transposition is %v and the product of shape %v; want [1 0] and [2 2]", perm,
			rec.Ops[2].Shapes[0])
	}
	names, in := rec.Inputs()
	if !slices.Equal(names, []string{"x"}) || len(in) != 1 || len(rec.Outputs()) != 1 {
		t.Errorf("inputs %v %v, outputs %v", names, in, rec.Outputs())
	}
	if _, err := rec.Execute(nil, nil, 0); !errors.Is(err, errRecorded) {
		t.Errorf("running it: error %v", err)
	}
}
