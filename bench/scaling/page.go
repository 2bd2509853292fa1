package main

import (
	"fmt"
	"io"
)

const head = `# What many machines gain

Ranks share the examples of a step and sum their gradients ([guide](guide/cluster.md)). The first command
measures, on a quiet machine of two cores with Open MPI, and goes on from there. The second has the model alone:

` + "```sh" + `
scripts/scaling.sh > docs/scaling.md
go run ./bench/scaling > docs/scaling.md
` + "```" + `

`

// writeMeasured writes the table of what was measured.
func writeMeasured(w io.Writer, all []measurement) {
	fmt.Fprintf(w, "## Measured: two ranks on one machine\n\n"+
		"The same training in one process of one core, in one process of two cores, and in two ranks of one "+
		"core each. Efficiency is half of the time of one core over that of two ranks. Times are of a step, sums "+
		"included. \"Hidden\" is the share of the time of sums in which the rank computed.\n\n"+
		"| network, batch | weights | one core | two cores | two ranks | efficiency | MB sent a step and rank | "+
		"sums | hidden |\n"+
		"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, m := range all {
		r := m.ranks.Ranks
		fmt.Fprintf(w, "| %s, %d | %d | %s | %s | %s | %.2f | %.2f | %s | %.0f %% |\n", m.words, m.batch,
			m.cost.Weights, seconds(m.one.step()), seconds(m.two.step()), seconds(m.ranks.step()), m.efficiency(),
			r.Bytes/1e6, seconds(r.Seconds), 100*r.Hidden/r.Seconds)
	}
	fmt.Fprintf(w, "\nThe model below, of two ranks with the speed of one core and the sums of the other network:\n\n"+
		"| network | by the model | measured |\n| --- | ---: | ---: |\n")
	for i, m := range all {
		fmt.Fprintf(w, "| %s | %s | %s |\n", m.words, seconds(m.predicted(all[1-i].adding()).total()),
			seconds(m.ranks.step()))
	}
	fmt.Fprintln(w)
}

// kind is a kind of host on paper.
type kind struct {
	words string
	flops float64
}

// writePaper writes the model of the run of the paper.
func writePaper(w io.Writer, t training, s settings) {
	fmt.Fprintf(w, "## On paper: ImageNet-64\n\n"+
		"The UNet of ImageNet-64 in table 3 of the [paper](https://arxiv.org/abs/2210.02747), with its batch of %d. "+
		"Counted on the graph that the network records, it has %.4g million weights. An image takes %.4g GFLOP "+
		"forward and %.4g GFLOP backward, in convolutions and products alone.\n\n", t.batch, float64(t.Weights)/1e6,
		t.Forward/1e9, t.Backward/1e9)
	fmt.Fprintf(w, "The model:\n\n"+
		"- A host computes its share of the batch at a fixed speed.\n"+
		"- A sum over k hosts sends 8 P (k - 1)/k bytes from each, of P weights, over its link.\n"+
		"- A message takes %.3g µs beside its bytes. There are 2 (k - 1) for each block of 1 MiB.\n"+
		"- A byte of the gradient takes %.3g ns to be copied and added up.\n"+
		"- %.0f %% of the gradients are complete before the last stage of the backward pass, which has %.0f %% of "+
		"the operations of a step. Their sum is hidden behind it, as far as it is as long.\n\n", s.message, s.adding,
		100*float64(t.Early)/float64(t.Weights), 100*t.Late/t.perExample())
	if s.measured == "" {
		fmt.Fprint(w, "Here nothing is measured: the speeds of cores and of sums are assumed.\n\n")
	}
	for _, k := range []kind{
		{fmt.Sprintf("Hosts of %d cores at %.0f GFLOP/s, as the UNet is computed", s.cores, s.core),
			float64(s.cores) * s.core * 1e9},
		{"Hosts of one accelerator at 100 TFLOP/s, if XLA hid sums, too", 100e12},
	} {
		t.table(w, k, s)
	}
	t.lifts(w, s)
}

var links = []struct {
	words string
	bytes float64
}{{"10 Gb/s", 10e9 / 8}, {"100 Gb/s", 100e9 / 8}}

// host returns one of a kind with a link.
func (s settings) host(flops, link float64) host {
	return host{flops: flops, link: link, message: s.message * 1e-6, adding: s.adding * 1e-9}
}

// table writes the steps on hosts of a kind.
func (t training) table(w io.Writer, k kind, s settings) {
	fmt.Fprintf(w, "### %s\n\n| hosts | link | computing | sum | of it hidden | a step | efficiency |\n"+
		"| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n", k.words)
	for _, link := range links {
		h := s.host(k.flops, link.bytes)
		for _, n := range []int{8, 32, 128} {
			x := t.onHosts(n, h)
			fmt.Fprintf(w, "| %d | %s | %s | %s | %s | %s | %.2f |\n", n, link.words, seconds(x.compute),
				seconds(x.sum), seconds(x.hidden), seconds(x.total()), t.efficiency(n, h))
		}
	}
	fmt.Fprintln(w)
	for _, link := range links {
		h := s.host(k.flops, link.bytes)
		fmt.Fprintf(w, "At %s hosts compute for nine tenths of a step up to %d of them, and for half of it up to %d.\n",
			link.words, t.half(0.9, h), t.half(0.5, h))
	}
	fmt.Fprintln(w)
}

// lifts writes what would help where it helps most: 128 accelerators.
func (t training) lifts(w io.Writer, s settings) {
	const hosts, flops = 128, 100e12
	h := s.host(flops, links[1].bytes)
	fmt.Fprintf(w, "### What would lift it\n\nOf %d accelerators at %s, one change each:\n\n"+
		"| change | a step | efficiency |\n| --- | ---: | ---: |\n", hosts, links[1].words)
	row := func(words string, t training, h host) {
		fmt.Fprintf(w, "| %s | %s | %.2f |\n", words, seconds(t.onHosts(hosts, h).total()), t.efficiency(hosts, h))
	}
	row("as in the table", t, h)
	half := t
	half.Weights, half.Early = t.Weights/2, t.Early/2 // as many bytes as that
	row("gradients sent in bfloat16", half, h)
	quick := h
	quick.message /= 8
	row("blocks of 8 MiB: an eighth of the messages", t, quick)
	quick = h
	quick.adding /= 4
	row("sums by four cores", t, quick)
	all := t
	all.Early, all.Late = t.Weights, t.Backward
	row("sums hidden behind all of the backward pass", all, h)
	larger := t
	larger.batch *= 4
	row("a batch four times as large, a step", larger, h)
}
