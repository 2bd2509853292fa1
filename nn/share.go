package nn

import (
	"fmt"

	"flowmatch/cluster"
)

// Share is which examples of a batch of N those of one rank are: of the first Rows, whose targets are made
// by the loss (Loss.Rows), and of the rest, each from its first number to before its second.
type Share struct {
	N, Rows    int
	Made, Kept [2]int
}

// ShareOf returns the share of this rank. Those of all ranks are disjoint and make up the batch.
func ShareOf(ranks *cluster.Comm, n, rows int) Share {
	i, j := ranks.Share(rows)
	from, to := ranks.Share(n - rows)
	return Share{N: n, Rows: rows, Made: [2]int{i, j}, Kept: [2]int{rows + from, rows + to}}
}

// Spans returns the rows of the batch, in the order of the examples of the share.
func (s Share) Spans() [][2]int { return [][2]int{s.Made, s.Kept} }

// MadeLen returns how many examples of the share have targets that the loss makes.
func (s Share) MadeLen() int { return s.Made[1] - s.Made[0] }

// Len returns how many examples the share has.
func (s Share) Len() int { return s.MadeLen() + s.Kept[1] - s.Kept[0] }

// share returns the share of the ranks that ex is, or that is to be cut out of it (whole).
func (tr *NetTrainer) share(ex *Examples) (of Share, whole bool, err error) {
	if ex.Of == (Share{}) {
		return ShareOf(tr.ranks, ex.X1.N, ex.Loss.Rows), true, nil
	}
	of = ShareOf(tr.ranks, ex.Of.N, ex.Of.Rows)
	if ex.Of != of || ex.X1.N != of.Len() || ex.Loss.Rows != of.MadeLen() {
		return of, false, fmt.Errorf("nn: %d examples, %d with targets made by the loss, are said to be the share "+
			"%+v; that of rank %d of %d is %+v", ex.X1.N, ex.Loss.Rows, ex.Of, tr.ranks.Rank(), tr.ranks.Size(), of)
	}
	return of, false, nil
}

// cut cuts a share of a batch into parts of at most rows examples: out of the whole batch, or of the
// share itself. Examples whose targets are made by the loss and those that keep their own are apart,
// for each kind is one program.
func (ex *Examples) cut(rows int, of Share, whole bool) (parts []*Examples) {
	add := func(from, end int, l func(rows int) Loss) {
		for ; from < end; from += rows {
			part := ex.Slice(from, min(from+rows, end))
			part.Loss = l(part.X1.N)
			parts = append(parts, part)
		}
	}
	made, kept := of.Made, of.Kept
	if !whole {
		made, kept = [2]int{0, of.MadeLen()}, [2]int{of.MadeLen(), of.Len()}
	}
	add(made[0], made[1], func(rows int) Loss { l := ex.Loss; l.Rows = rows; return l })
	add(kept[0], kept[1], func(int) Loss { return ex.Loss.plain() })
	return parts
}

// rows returns the states of the examples of a share.
func (d drops) rows(of Share) drops {
	for lane, s := range d {
		d[lane] = append(append(make([]float32, 0, of.Len()), s[of.Made[0]:of.Made[1]]...), s[of.Kept[0]:of.Kept[1]]...)
	}
	return d
}
