package train

import (
	"slices"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// shares are those of ranks that are two or three, without MPI.
func shares(n, rows int) (all []nn.Share) {
	for _, k := range []int{2, 3} {
		for r := range k {
			cut := func(n int) (int, int) { return r * n / k, (r + 1) * n / k }
			s := nn.Share{N: n, Rows: rows}
			s.Made[0], s.Made[1] = cut(rows)
			from, to := cut(n - rows)
			s.Kept = [2]int{rows + from, rows + to}
			all = append(all, s)
		}
	}
	return all
}

func TestAShareOfTheExamplesIsThatOfTheWhole(t *testing.T) {
	const n = 13
	cfm := CFM{Data: data.Shuffle(points(40, 2), 1), Seed: 5}
	on := curvedLaws()[0]
	conditional := CFM{Data: data.Shuffle(labelled(40, 2, 3), 1), LabelDropout: 0.3, Seed: 5}
	pairs := Pairs{X: points(40, 4).X, Label: flow.LabelsInTurn(40, 3)}
	plane, average, classes := nn.Config{}, nn.Config{Average: true}, nn.Config{Classes: 3}
	for _, c := range []struct {
		name string
		net  nn.Config
		spec model.Spec
		o    Regression
	}{
		{"cfm", plane, model.Spec{}, cfm},
		{"labels", classes, model.Spec{}, conditional},
		{"a source", plane, model.Spec{Source: &synth.SourceConfig{Name: "8gaussians"}}, cfm},
		{"noise of a path", plane, model.Spec{Scheduler: path.Bridge{Sigma: 0.4}}, cfm},
		{"groups", plane, model.Spec{}, CFM{Data: cfm.Data, Coupling: groups(4), Seed: 5}},
		{"groups of averages, labels", nn.Config{Average: true, Classes: 3}, model.Spec{},
			MeanFlow{CFM: CFM{Data: conditional.Data, Coupling: groups(3), Seed: 5}}},
		{"draws", plane, model.Spec{},
			CFM{Data: data.Draw(synth.Checkerboard{Half: 4}, nil, 1), Times: Times{IID: true}, Seed: 5}},
		{"fm", plane, model.Spec{}, FM{CFM: cfm, X1: points(40, 2).X}},
		{"meanflow", average, model.Spec{}, MeanFlow{CFM: cfm, Averages: AverageConfig{Ratio: 0.4}}},
		{"shortcut", average, model.Spec{}, Shortcut{CFM: cfm}},
		{"reflow", classes, model.Spec{}, Reflow{Pairs: pairs, Seed: 5}},
		{"distill", classes, model.Spec{}, Reflow{Pairs: pairs, Distill: 4, Seed: 5}},
		{"a sphere", nn.Config{Dim: 3}, model.Spec{Path: path.Config{Name: "condot"}, Law: sourceOn(on.Manifold())},
			CFM{Data: data.Shuffle(pointsOf(on, 40, 1), 1), Seed: 5}},
	} {
		m := newModel(t, c.spec, c.net)
		r, err := prepared(m, c.o)
		if err != nil || c.o.Check(m) != nil {
			t.Fatal(c.name, err, c.o.Check(m))
		}
		rows, ok := inShare(r, n)
		if !ok {
			t.Errorf("%s: ranks make all examples", c.name)
			continue
		}
		for _, s := range shares(n, rows) {
			part := newExamples(m, s.Len())
			part.Of = s
			for _, step := range []uint64{4, 7} { // in the room of another step
				if err := r.Examples(m, part, step); err != nil {
					t.Fatal(c.name, err)
				}
			}
			sameShare(t, c.name, part, examples(t, m, r, n, 7))
		}
	}
}

func TestTheGroupsOfAShareAreMadeOnce(t *testing.T) {
	for _, c := range []struct{ of, want nn.Share }{
		{nn.Share{N: 24, Rows: 8, Made: [2]int{4, 8}, Kept: [2]int{16, 24}},
			nn.Share{N: 24, Rows: 8, Made: [2]int{4, 8}, Kept: [2]int{16, 24}}},
		{nn.Share{N: 13, Rows: 6, Made: [2]int{3, 6}, Kept: [2]int{9, 13}},
			nn.Share{N: 13, Rows: 6, Made: [2]int{0, 8}, Kept: [2]int{8, 13}}},
		{nn.Share{N: 13, Rows: 6, Made: [2]int{3, 6}, Kept: [2]int{6, 8}},
			nn.Share{N: 13, Rows: 6, Made: [2]int{0, 8}, Kept: [2]int{8, 8}}},
		{nn.Share{N: 13, Rows: 6, Made: [2]int{3, 6}, Kept: [2]int{6, 9}},
			nn.Share{N: 13, Rows: 6, Made: [2]int{0, 8}, Kept: [2]int{8, 12}}},
		{nn.Share{N: 13, Rows: 6, Made: [2]int{5, 5}, Kept: [2]int{6, 9}},
			nn.Share{N: 13, Rows: 6, Kept: [2]int{4, 12}}},
	} {
		if got := whole(c.of, 4); got != c.want {
			t.Errorf("the groups of 4 of %+v are %+v, want %+v", c.of, got, c.want)
		}
	}
}

// groups pairs rows of groups.
func groups(rows int) coupling.Coupling { return coupling.Groups{Coupling: coupling.OT{}, Rows: rows} }

// sameShare compares a share with the whole batch.
func sameShare(t *testing.T, name string, part, whole *nn.Examples) {
	t.Helper()
	if loss := whole.Loss; part.Loss.Rows != part.Of.MadeLen() || loss.Rows != part.Of.Rows {
		t.Errorf("%s: the share %+v has %d rows made by the loss, of %d", name, part.Of, part.Loss.Rows, loss.Rows)
	}
	for k, i := range places(part) {
		same := slices.Equal(part.X0.Row(k), whole.X0.Row(i)) && slices.Equal(part.X1.Row(k), whole.X1.Row(i)) &&
			(part.Given.Label == nil) == (whole.Given.Label == nil) &&
			(whole.Given.Label == nil || part.Given.Label[k] == whole.Given.Label[i])
		columns := func(ex *nn.Examples) [][]float64 {
			return [][]float64{ex.T, ex.Alpha, ex.Sigma, ex.G1, ex.G0, ex.Weight, ex.S}
		}
		for c, all := range columns(whole) {
			same = same && (all == nil || columns(part)[c][k] == all[i])
		}
		if !same {
			t.Errorf("%s: example %d of the share %+v is not number %d of the batch", name, k, part.Of, i)
		}
	}
}

// What pairs the examples of a batch, or is somebody's own, is made as a whole.
func TestExamplesThatDependOnEachOtherAreNotShared(t *testing.T) {
	paired := CFM{Data: data.Shuffle(points(40, 2), 1), Coupling: coupling.OT{}}
	drawn := paired
	drawn.Coupling = coupling.Groups{Coupling: coupling.Sinkhorn{}, Rows: 4}
	for name, r := range map[string]Regression{"paired": paired, "one's own": halved{CFM{}},
		"averages, paired": MeanFlow{CFM: paired}, "groups that draw": drawn} {
		if _, ok := inShare(r, 8); ok {
			t.Errorf("%s: a rank makes a share", name)
		}
	}
	m := along(t, path.CondOT{})
	part := newExamples(m, 4)
	part.Of = shares(8, 0)[0]
	if err := paired.Examples(m, part, 0); err == nil {
		t.Error("a share of pairs of the whole batch is no error")
	}
}

func TestHowExamplesAreSharedIsSaid(t *testing.T) {
	for _, c := range []struct {
		s    Sharing
		want string
	}{
		{Sharing{Ranks: 2, Batch: 64}, "makes all 64 examples"},
		{Sharing{Ranks: 2, Batch: 64, Apart: true}, "makes its share of 64"},
		{Sharing{Ranks: 2, Batch: 64, Apart: true, Groups: 16}, "makes its 32 of 64 examples of a step, coupled"},
		{Sharing{Ranks: 3, Batch: 64, Apart: true, Groups: 16}, "the rest of the groups of 16"},
	} {
		if got := c.s.String(); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.s, got, c.want)
		}
	}
	m := along(t, path.CondOT{})
	if SharingOf(m, cfm(), nil, 8) != nil {
		t.Error("one process shares examples")
	}
}
