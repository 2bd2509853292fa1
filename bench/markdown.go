package bench

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// chapters are the groups of cases of the page.
var chapters = []struct{ group, title, text string }{
	{"train", "Training",
		"One step of conditional flow matching in two dimensions: draw a batch, forward, backward, Adam. " +
			"flowmatch also averages the weights (EMA), and draws its batches in advance on other cores."},
	{"conv", "Convolution",
		"A kernel of 3x3, 64 to 64 channels, 32 images of 32x32, float32. Backward is the gradient of the sum " +
			"of squares with respect to images and kernel."},
	{"images", "A UNet of images",
		"The UNet of examples/digits.yaml: 32 channels, three resolutions, attention at 7x7. PyTorch has the " +
			"same network, module by module. The batch has 64 images of 28x28 with labels.\n\n" +
			"- velocity: one evaluation.\n" +
			"- vjp: an evaluation with a vector-Jacobian product, as in a likelihood by Hutchinson's estimate.\n" +
			"- train: a training step. flowmatch also averages the weights in it."},
	{"transformers", "A transformer of images",
		"DiT-S/2 on latents of 32x32x4: 12 blocks of 256 tokens, 384 wide, 6 heads. PyTorch has the same layers, " +
			"with its own attention.\n\n" +
			"- velocity: one evaluation.\n" +
			"- train: a training step. flowmatch also averages the weights in it."},
	{"published", "Networks that others published",
		"An evaluation of one point and of 16: of the UNet of torchcfm's example of CIFAR-10 (36 million weights) " +
			"and of DiT-S/2. PyTorch runs torchcfm's own module, without torch.compile, which takes minutes a " +
			"case, and onnxruntime what PyTorch exports.\n\n" +
			"bf16: products in bfloat16, of weights that flowmatch holds so; in PyTorch under autocast. onnxruntime " +
			"has no such products on a CPU."},
	{"bf16", "Training in bfloat16",
		"Steps with products in bfloat16 and weights in float32 (train.precision: bf16), beside PyTorch's autocast " +
			"with its fused Adam. How flowmatch makes such products depends on the CPU: flowmatch doctor says it. " +
			"Where bfloat16 wins nothing, a training says so."},
	{"sample", "Sampling",
		"1000 points from noise to data. NFE is the number of evaluations of the network by flowmatch. Weights " +
			"are random in every library, so other numbers may differ by a few."},
	{"likelihood", "Likelihood", "The log-density of 1000 points with the exact divergence."},
	{"coupling", "Exact optimal transport",
		"The permutation of least cost between two sets. The time includes the squared distances. SciPy is left " +
			"out where it takes most of a minute."},
}

// highlights are the cases with which the page begins, in words.
var highlights = []struct{ name, text string }{
	{"train mlp256x4 B1024", "a training step: 4 layers of 256, batch of 1024"},
	{"train unet32 28x28 B64", "a training step: UNet, 64 images of 28x28"},
	{"sample dopri5 1e-5 mlp512x5 n1000", "1000 samples: 5 layers of 512, dopri5"},
	{"logp exact dopri5 1e-5 mlp512x5 n1000", "1000 exact log-densities: 5 layers of 512, dopri5"},
	{"exact OT n1024 d2", "exact optimal transport: 1024 points of the plane"},
}

// PeersPicture is the name of the picture of all libraries side by side.
const PeersPicture = "peers"

// tie is the share within which two times count as equal: neither is in bold.
const tie = 0.02

// axisText says what is varied along an axis.
var axisText = map[string]string{
	"batch":     "examples in a batch",
	"width":     "width of the hidden layers",
	"dimension": "dimension of the data",
	"threads":   "threads (GOMAXPROCS)",
}

// Markdown writes reports as a page with a section for each. command is what the page says it was made
// with; pictures has, by [Report.Slug], the file of the picture of an axis of scaling, as the page links
// it, and that of the libraries side by side under [PeersPicture]; any may be missing.
func Markdown(w io.Writer, reports []Report, command string, pictures map[string]map[string]string) error {
	p := &page{}
	p.line("# Performance", "")
	p.line("The times of flowmatch and of the same work in PyTorch, onnxruntime, JAX and POT, measured in turns on "+
		"one machine with nothing else to do. Each processor has a section.", "")
	p.line("The ratio is the time of flowmatch over that of the fastest other library: below 1, flowmatch is "+
		"faster. Where its quartiles are beside it, it is the median over rounds, of times measured one right "+
		"after the other; elsewhere it is that of the least times. The target is a ratio to stay within. "+
		fmt.Sprintf("Bold is the fastest, if it is ahead by more than %.0f %%.", 100*tie), "")
	p.line("## How it was measured", "", "This page is the output of one command:", "")
	p.line("```sh", "scripts/setup-peers.sh DIR   # once: Python with PyTorch, onnxruntime, JAX and POT",
		"go build ./cmd/flowmatch", command, "```", "")
	p.line("Each time is the lowest per-round mean. The rounds of flowmatch and of the other libraries alternate. "+
		"Compilation is not timed. The figures of each processor are a JSON file in the folder beside this page, "+
		"which the command adds or replaces.", "")
	p.line("`scripts/gpu-bench.sh` checks and times the XLA backend on an NVIDIA GPU, beside torch.compile. It was "+
		"not yet run on a GPU, so this page has no figures of one.", "")
	for _, r := range reports {
		p.report(r, pictures[r.Slug()])
	}
	_, err := io.WriteString(w, strings.TrimRight(p.String(), "\n")+"\n")
	return err
}

// report writes the section of a processor.
func (p *page) report(r Report, pictures map[string]string) {
	p.line(fmt.Sprintf("## %s, %s, %s", r.CPU, numbered(r.Cores, "core"), r.Platform), "")
	p.highlights(r)
	if file := pictures[PeersPicture]; file != "" {
		p.line(fmt.Sprintf("![the times of other libraries in those of flowmatch](%s)", file), "",
			"The time of each library, by its fastest variant, over that of flowmatch. Right of the line, at 1, a "+
				"library is slower than flowmatch.", "")
	}
	p.line(fmt.Sprintf("Measured on %s in %.0f minutes: %s, load %.2f before; %s, flowmatch %s; backend %s.",
		r.Date, math.Ceil(r.Seconds/60), numbered(r.Threads, "thread"), r.Load, r.Go, r.Flowmatch, r.Backend))
	if r.Note != "" {
		p.line(r.Note)
	}
	if r.PeakFLOPS > 0 {
		together := ""
		if r.PeakAll > 0 {
			together = fmt.Sprintf(", and of all threads together %.0f", r.PeakAll/1e9)
		}
		p.line(fmt.Sprintf("The peak of one core is %.0f GFLOP/s%s, in a loop of only multiply-adds. \"Of peak\" is "+
			"the share of the peak of all that the matrix products of a case reach.", r.PeakFLOPS/1e9, together))
	}
	if len(r.Versions) > 0 {
		p.line("Other libraries: " + r.versions() + ", with as many threads (XLA uses every core).")
	}
	p.line("")
	for _, c := range chapters {
		if results := r.group(c.group); len(results) > 0 {
			p.line("### "+c.title, "", c.text, "")
			p.times(results, cmp.Or(r.PeakAll, r.PeakFLOPS*float64(min(r.Threads, r.Cores))))
		}
	}
	p.memory(r.Results)
	if axes := r.Axes(); len(axes) > 0 {
		p.line("### How cost grows", "", "The time of a training step as one size varies. The slope is the exponent "+
			"of the growth from the row above. 1 is proportional; for threads, -1 is perfect scaling.", "")
		for _, axis := range axes {
			p.scaling(axis, r.Lines(axis), pictures[axis])
		}
	}
	p.notes(r.Results)
}

// numbered is a number of things.
func numbered(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func (r Report) group(name string) []Result {
	return slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.Group != name })
}

// page is Markdown being written.
type page struct{ strings.Builder }

func (p *page) line(lines ...string) {
	for _, l := range lines {
		p.WriteString(l + "\n")
	}
}

// table writes a table; all columns but the first are numbers.
func (p *page) table(head []string, rows [][]string) {
	p.line("| "+strings.Join(head, " | ")+" |", "| --- |"+strings.Repeat(" ---: |", len(head)-1))
	for _, row := range rows {
		p.line("| " + strings.Join(row, " | ") + " |")
	}
	p.line("")
}

// highlights writes the cases that matter beside the fastest peer of each.
func (p *page) highlights(r Report) {
	var rows [][]string
	for _, h := range highlights {
		k := slices.IndexFunc(r.Results, func(x Result) bool { return x.Case == h.name })
		if k < 0 {
			continue
		}
		if best, ok := r.Results[k].best(); ok {
			ours, theirs := bold(r.Results[k], "flowmatch"), bold(r.Results[k], best.Variant)
			rows = append(rows, []string{h.text, ours, theirs + ", " + best.Variant, r.Results[k].ratio()})
		}
	}
	if len(rows) > 0 {
		p.table([]string{"ms", "flowmatch", "fastest other", "ratio"}, rows)
	}
}

// bold returns the time of flowmatch or of a peer's variant, in bold if no other comes near.
func bold(r Result, who string) string {
	times := append([]Time{{"flowmatch", r.Seconds}}, r.Peers...)
	k := slices.IndexFunc(times, func(t Time) bool { return t.Variant == who })
	if k < 0 {
		return "-"
	}
	text := milliseconds(times[k].Seconds)
	for i, t := range times {
		if len(times) == 1 || i != k && times[k].Seconds > (1-tie)*t.Seconds {
			return text
		}
	}
	return "**" + text + "**"
}

// times writes the cases of a group beside the variants of the peers, the fastest in
// bold; peak is the operations a second that the threads together can do.
func (p *page) times(results []Result, peak float64) {
	var variants []string
	nfe, flops := false, false
	for _, r := range results {
		nfe, flops = nfe || r.NFE > 0, flops || r.FLOPS > 0
		for _, t := range r.Peers {
			if !slices.Contains(variants, t.Variant) {
				variants = append(variants, t.Variant)
			}
		}
	}
	head := []string{"case, ms per " + results[0].Unit}
	if nfe {
		head = append(head, "NFE")
	}
	head = append(append(head, "flowmatch"), variants...)
	if len(variants) > 0 {
		head = append(head, "ratio", "target")
	}
	if flops = flops && peak > 0; flops {
		head = append(head, "GFLOP/s", "of peak")
	}
	var rows [][]string
	for _, r := range results {
		row := []string{r.Case}
		if nfe {
			row = append(row, count(r.NFE))
		}
		row = append(row, bold(r, "flowmatch"))
		if len(variants) > 0 {
			row = append(row, peerCells(r, variants)...)
		}
		if flops {
			row = append(row, fmt.Sprintf("%.0f", r.FLOPS/1e9), fmt.Sprintf("%.0f %%", 100*r.FLOPS/peak))
		}
		rows = append(rows, row)
	}
	p.table(head, rows)
}

// ratio is the ratio to the best peer, with its quartiles where there are rounds enough.
func (r Result) ratio() string {
	if q, ok := r.spread(); ok {
		return fmt.Sprintf("%.2f (%.2f-%.2f)", q.Median, q.Low, q.High)
	}
	return fmt.Sprintf("%.2f", r.Ratio)
}

// peerCells returns the cells of the peers of one case, its ratio and its target.
func peerCells(r Result, variants []string) (row []string) {
	for _, variant := range variants {
		row = append(row, bold(r, variant))
	}
	if _, ok := r.best(); !ok {
		return append(row, "-", "-")
	}
	verdict := "met"
	if r.Ratio > r.Target {
		verdict = "missed"
	}
	return append(row, r.ratio(), fmt.Sprintf("%g, %s", r.Target, verdict))
}

// memory writes what the processes of the training cases held.
func (p *page) memory(results []Result) {
	var rows [][]string
	var who []string
	for _, r := range results {
		for _, m := range r.Memory {
			if !slices.Contains(who, m.Who) {
				who = append(who, m.Who)
			}
		}
	}
	for _, r := range results {
		row := []string{r.Case}
		for _, name := range who {
			k := slices.IndexFunc(r.Memory, func(m Memory) bool { return m.Who == name })
			if k < 0 {
				row = append(row, "-", "-", "-")
				continue
			}
			m := r.Memory[k]
			row = append(row, mebibytes(m.Start), mebibytes(m.Peak), mebibytes(max(m.Peak-m.Start, 1)))
		}
		if len(r.Memory) > 0 {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	head := []string{"case, MiB"}
	for _, name := range who {
		head = append(head, name+" start", "peak", "difference")
	}
	p.line("### Memory", "", "The memory of a new process that runs only this case: at its start, with the libraries "+
		"imported, and at its peak. The difference is the memory of the work itself.", "")
	p.table(head, rows)
}

// scaling writes the picture and the table of one axis.
func (p *page) scaling(axis string, lines []Line, picture string) {
	title := strings.ToUpper(axis[:1]) + axis[1:]
	p.line("#### "+title, "")
	if picture != "" {
		p.line(fmt.Sprintf("![time of a training step by %s](%s)", axisText[axis], picture), "")
	}
	head := []string{axisText[axis]}
	var at []int
	for _, l := range lines {
		head = append(head, l.Name+", ms", "slope")
		at = append(at, l.At...)
	}
	slices.Sort(at)
	var rows [][]string
	for _, x := range slices.Compact(at) {
		row := []string{fmt.Sprint(x)}
		for _, l := range lines {
			k := slices.Index(l.At, x)
			switch {
			case k < 0:
				row = append(row, "-", "-")
			case k == 0:
				row = append(row, milliseconds(l.Seconds[0]), "-")
			default:
				slope := math.Log(l.Seconds[k]/l.Seconds[k-1]) / math.Log(float64(l.At[k])/float64(l.At[k-1]))
				row = append(row, milliseconds(l.Seconds[k]), fmt.Sprintf("%.2f", slope))
			}
		}
		rows = append(rows, row)
	}
	p.table(head, rows)
}

// notes lists what could not be measured.
func (p *page) notes(results []Result) {
	begun := false
	for _, r := range results {
		for _, note := range r.Notes {
			if !begun {
				p.line("### Not measured", "")
				begun = true
			}
			p.line(fmt.Sprintf("- %s: %s", r.Case, note))
		}
	}
}
