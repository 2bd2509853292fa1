// Scaling writes docs/scaling.md: what ranks gain, as scripts/scaling.sh has measured it in a folder, and a
// model of larger jobs on paper, which the measurement is beside. Parameters and operations are counted on the
// graphs that networks record.
//
//	go run ./bench/scaling -measured DIR > docs/scaling.md
//
// Without -measured it writes the model alone, with the speed of a core that -core says.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"flowmatch/nn"
)

// imageNet is the network of ImageNet-64 in table 3 of arXiv 2210.02747; heads have 64 channels.
var imageNet = nn.Config{Dim: 64 * 64 * 3, UNet: &nn.UNet{Image: []int{64, 64, 3}, Channels: 192,
	Mult: []int{1, 2, 3, 4}, Blocks: 3, Attention: []int{32, 16, 8}, HeadChannels: 64, GroupChannels: 1}}

// imageNetBatch is the batch there.
const imageNetBatch = 2048

// settings are the flags.
type settings struct {
	measured string
	cores    int
	core     float64 // GFLOP/s
	message  float64 // µs
	adding   float64 // ns
}

func main() {
	var s settings
	flag.StringVar(&s.measured, "measured", "", "folder of the figures of scripts/scaling.sh")
	flag.IntVar(&s.cores, "cores", 64, "cores of a host on paper")
	flag.Float64Var(&s.core, "core", 150, "GFLOP/s of a core in a training step, where nothing is measured")
	flag.Float64Var(&s.message, "message", 2, "microseconds of a message beside its bytes")
	flag.Float64Var(&s.adding, "adding", 0.5, "nanoseconds to add up a byte of the gradient, where nothing is measured")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "scaling: %q is no flag; see -help\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := page(os.Stdout, s); err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}

// page writes the page.
func page(w io.Writer, s settings) error {
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	if s.measured != "" {
		all, err := read(s.measured)
		if err != nil {
			return err
		}
		writeMeasured(w, all)
		s.core, s.adding = all[1].core()/1e9, all[1].adding()*1e9
	}
	cost, err := imageNet.Defaults().Cost()
	if err != nil {
		return err
	}
	writePaper(w, training{cost, imageNetBatch}, s)
	return nil
}
