package train_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/train"
)

// A flow of the characters of a text, and the middle of a sequence filled in.
func ExampleTokens() {
	corpus, err := text.New(strings.Repeat("abc.", 400), text.Options{Kind: text.Chars, Length: 8})
	check(err)
	path, err := discrete.NewMixture(corpus.Levels(), discrete.Mask, discrete.Schedule{})
	check(err)
	eng, err := nn.Open("")
	check(err)
	cfg := nn.TokenConfig{Levels: corpus.Levels(), Length: 8, Mask: true, Width: 32, Depth: 1}
	net, err := nn.NewTokenNet(eng, cfg, 1)
	check(err)
	net, err = train.Tokens{
		Path: path, Loop: train.Loop{Steps: 300, Batch: 32, LR: 5e-3, ValEvery: new(0)},
		Data: func(step, n int) (discrete.Tokens, flow.Given) {
			x, label := corpus.Batch(1, step, n)
			return x, flow.Given{Label: label}
		},
	}.Train(context.Background(), net)
	check(err)
	s := discrete.Sampler{Path: path, Steps: 16, Seed: 1}
	x := s.Start(1, 8)
	x.X[0], x.Shown = 1, make([]bool, 8) // the first character is a
	x.Shown[0] = true
	_, err = s.Sample(context.Background(), net, x, nil)
	check(err)
	fmt.Println(corpus.Decode(x.X))
	// Output: abc.abc.
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
