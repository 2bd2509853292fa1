package native

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native/kernel"
)

// attentionCase is q [images, queries, heads, width], k of keys and v of values numbers.
type attentionCase struct{ images, queries, keys, heads, width, values int }

var attentionCases = []attentionCase{
	{1, 1, 1, 1, 1, 1}, {2, 1, 1, 2, 4, 4}, {3, 7, 7, 3, 5, 5}, {2, 49, 49, 2, 16, 16}, {1, 5, 33, 2, 3, 7},
	{2, 300, 300, 1, 8, 8}, {1, 17, 513, 1, 64, 64}, {4, 64, 64, 6, 64, 64}, {1, 40, 5000, 1, 4, 2},
}

// plainAttention is the result and the gradients of Σ g·result in float64, for one head of one image.
func plainAttention(c attentionCase, q, k, v, g []float64, scale float64) (out, dq, dk, dv []float64) {
	out, dq = make([]float64, c.queries*c.values), make([]float64, c.queries*c.width)
	dk, dv = make([]float64, c.keys*c.width), make([]float64, c.keys*c.values)
	p, dp := make([]float64, c.keys), make([]float64, c.keys)
	for i := range c.queries {
		top := math.Inf(-1)
		for j := range p {
			p[j] = 0
			for a := range c.width {
				p[j] += scale * q[i*c.width+a] * k[j*c.width+a]
			}
			top = max(top, p[j])
		}
		sum, mean := 0.0, 0.0
		for j := range p {
			p[j] = math.Exp(p[j] - top)
			sum += p[j]
		}
		for j := range p {
			p[j] /= sum
			dp[j] = 0
			for a := range c.values {
				out[i*c.values+a] += p[j] * v[j*c.values+a]
				dp[j] += g[i*c.values+a] * v[j*c.values+a]
				dv[j*c.values+a] += p[j] * g[i*c.values+a]
			}
			mean += p[j] * dp[j]
		}
		for j := range p {
			ds := scale * p[j] * (dp[j] - mean)
			for a := range c.width {
				dq[i*c.width+a] += ds * k[j*c.width+a]
				dk[j*c.width+a] += ds * q[i*c.width+a]
			}
		}
	}
	return out, dq, dk, dv
}

// headOf copies head h of image b of x [N, T, heads, d].
func headOf(x []float32, b, h, tokens, heads, d int) []float64 {
	out := make([]float64, 0, tokens*d)
	for t := range tokens {
		for a := range d {
			out = append(out, float64(x[((b*tokens+t)*heads+h)*d+a]))
		}
	}
	return out
}

// Attention and its gradients are those of the formula, at every level and for sizes that fill no tile.
func TestAttentionIsTheFormula(t *testing.T) {
	for _, level := range kernel.Levels() {
		for _, c := range attentionCases {
			for _, threads := range []int{1, 3} {
				t.Run(fmt.Sprint(level, c, threads), func(t *testing.T) { checkAttention(t, c, level, threads) })
			}
		}
	}
}

func checkAttention(t *testing.T, c attentionCase, level kernel.Level, threads int) {
	b, err := newAt(level, Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	dims := [][]int{{c.images, c.queries, c.heads, c.width}, {c.images, c.keys, c.heads, c.width},
		{c.images, c.keys, c.heads, c.values}, {c.images, c.queries, c.heads, c.values}}
	rng := rand.New(rand.NewPCG(1, uint64(c.keys)))
	var args []compute.Buffer
	in := make([][]float32, 4)
	g := NewGraph(b, "attention")
	var x []*Node
	for i, d := range dims {
		in[i] = make([]float32, size(d))
		for j := range in[i] {
			in[i][j] = float32(rng.NormFloat64())
		}
		args = append(args, newBuffer(t, b, in[i], d...))
		x = append(x, Parameter(g, fmt.Sprint("x", i), shapes.Make(dtypes.Float32, d...)))
	}
	y, _ := BackendFusedScaledDotProductAttention(x[0], x[1], x[2], compute.AttentionAxesLayoutBSHD, nil)
	outs := append([]*Node{y}, Gradient(ReduceAllSum(Mul(y, x[3])), x[0], x[1], x[2])...)
	if err := g.Compile(outs...); err != nil {
		t.Fatal(err)
	}
	p := g.Executable().(*Program)
	if f := p.Fallbacks(); len(f) > 0 {
		t.Fatalf("fell back: %v", f)
	}
	bufs, err := p.Execute(args, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	flats := make([][]float32, len(bufs))
	for i, buf := range bufs {
		flats[i] = contents(t, buf)
	}
	tokens, widths := []int{c.queries, c.queries, c.keys, c.keys}, []int{c.values, c.width, c.width, c.values}
	for im := range c.images {
		for h := range c.heads {
			one := make([][]float64, 4)
			for i, d := range dims {
				one[i] = headOf(in[i], im, h, d[1], c.heads, d[3])
			}
			want := make([][]float64, 4)
			want[0], want[1], want[2], want[3] = plainAttention(c, one[0], one[1], one[2], one[3],
				1/math.Sqrt(float64(c.width)))
			for i, w := range want {
				got := headOf(flats[i], im, h, tokens[i], c.heads, widths[i])
				for j := range w {
					if d := math.Abs(got[j] - w[j]); !(d <= 2e-5*(1+math.Abs(w[j]))) {
						t.Fatalf("result %d of image %d, head %d, at %d: got %g, want %g", i, im, h, j, got[j], w[j])
					}
				}
			}
		}
	}
}

// No program of attention and its gradient holds the scores of all pairs: 4096 tokens would have 16.8 million a head.
func TestAttentionHoldsNoSquareOfTokens(t *testing.T) {
	memory := func(tokens int) int {
		b, err := New(Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Finalize()
		g := NewGraph(b, "long")
		x := Parameter(g, "x", shapes.Make(dtypes.Float32, 1, tokens, 2, 64))
		y, _ := BackendFusedScaledDotProductAttention(x, MulScalar(x, 2), x, compute.AttentionAxesLayoutBSHD, nil)
		if err := g.Compile(y, Gradient(ReduceAllSum(Square(y)), x)[0]); err != nil {
			t.Fatal(err)
		}
		return g.Executable().(*Program).Memory()
	}
	short, long := memory(1024), memory(4096)
	t.Logf("%.1f MB for 1024 tokens, %.1f for 4096", float64(short)/1e6, float64(long)/1e6)
	if square := 4 * 4096 * 4096; long > square/2 || float64(long) > 4.5*float64(short) {
		t.Errorf("%d bytes for 1024 tokens, %d for 4096; the scores of a head are %d", short, long, square)
	}
}

// The gradients of three parts of one tensor are one tensor: nothing is moved.
func TestGradientsOfPartsAreNotMoved(t *testing.T) {
	b, err := New(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	const n, tokens, heads, width = 2, 9, 3, 8
	g := NewGraph(b, "parts")
	x := Parameter(g, "x", shapes.Make(dtypes.Float32, n, tokens, 3*heads*width))
	w := Parameter(g, "w", shapes.Make(dtypes.Float32, 3*heads*width, 3*heads*width))
	all := Reshape(DotGeneral(x, []int{2}, nil, w, []int{0}, nil), n, tokens, 3, heads, width)
	part := func(k int) *Node {
		return Reshape(Slice(all, AxisRange(), AxisRange(), AxisRange(k, k+1)), n, tokens, heads, width)
	}
	y, _ := BackendFusedScaledDotProductAttention(part(0), part(1), part(2), compute.AttentionAxesLayoutBSHD, nil)
	if err := g.Compile(Gradient(ReduceAllSum(Square(y)), x)[0]); err != nil {
		t.Fatal(err)
	}
	for _, u := range g.Executable().(*Program).graph.tensors {
		if u.kind == kindPad || u.kind == kindConcat || u.kind == kindMove && u.runs() && u.size() > 1 && !u.isSplat() {
			t.Errorf("%v moves numbers", u)
		}
	}
}
