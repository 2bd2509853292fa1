package cli

import (
	"io/fs"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"flowmatch/client"
	"flowmatch/data/image"
	"flowmatch/data/text"
)

// This file gives a service images to make images from, and draws sequences of tokens from it.

// showRemote reads the images of --condition, in turn for --n samples, as the model takes them.
func (f *sampleFlags) showRemote(b *client.SampleRequest, m *client.Model) error {
	switch {
	case m.Condition == "" && f.condition != "":
		return usagef("--condition is for models that make images from images, and %s is none", m.Name)
	case m.Condition == "":
		return nil
	case f.condition == "":
		return usagef("%s makes images from images (condition %s); give --condition FILE", m.Name, m.Condition)
	case len(m.Classes) > 0 && b.Label == nil:
		return usagef("%s is a conditional model, and images in files have no labels; give --label", m.Name)
	}
	shapes := [][]int{m.Shape}
	if len(m.Shape) == 2 {
		shapes[0] = append(m.Shape[:2:2], 1) // grey
	}
	if m.Low != nil {
		shapes = append([][]int{m.Low}, shapes...)
	}
	x, _, err := image.ReadFiles(f.condition, b.N, shapes...)
	if err != nil {
		return asUsage(err, fs.ErrNotExist)
	}
	for i := range b.N {
		b.Condition = append(b.Condition, x.Row(i%x.N))
	}
	b.N = 1
	return nil
}

// sampleRemoteTokens draws sequences of a model of tokens of a service, with the flags of those of a folder.
func (a *app) sampleRemoteTokens(cmd *cobra.Command, from string, c *client.Client, m *client.Model, f sampleFlags) (
	result, error,
) {
	if err := tokensOnly(cmd, from, "n", "out", "seed", "steps", "solver", "infill", "mark", "extend", "temperature",
		"top-p", "corrector", "label", "guidance", "token-file"); err != nil {
		return nil, err
	}
	if err := f.checkTokens(cmd); err != nil {
		return nil, err
	}
	ext, err := extension("--out", f.out, tokenEndings(m.Tokens.Kind)...)
	if err != nil {
		return nil, err
	}
	if rows := m.Tokens.Kind == text.Categories || m.Tokens.Kind == text.Integers; rows && f.infill != "" {
		return nil, usagef("--infill fills in a text by a service, and %s is of rows; fill them in from the folder of "+
			"the run", from)
	}
	if err := inFolder(f.out, f.infill); err != nil {
		return nil, err
	}
	b, err := f.tokenRequest(cmd)
	if err != nil {
		return nil, err
	}
	as := map[string]string{".txt": client.Plain, ".csv": client.CSV, ".npy": client.NPZ}[ext]
	file, res, err := a.askFile(cmd, c, m.Name, b, as)
	if err != nil {
		return nil, err
	}
	res.Files, err = saved(f.out, ext, file.Body)
	return res, err
}

// tokenRequest returns the request that the flags make. What is 0 in it would be as if it were not given.
func (f *sampleFlags) tokenRequest(cmd *cobra.Command) (b client.SampleRequest, err error) {
	set := cmd.Flags().Changed
	switch {
	case set("steps") && f.steps < 1:
		return b, usagef("--steps is %d; it must be at least 1", f.steps)
	case f.infill != "" && f.mark == "":
		return b, usagef("--mark is empty; give what marks a token to fill in")
	}
	b = client.SampleRequest{N: f.n, Extend: f.extend, How: client.How{Solver: f.solver, Steps: f.steps}}
	f.put(cmd, &b, []numberFlag{{"temperature", &b.Temperature, f.temperature}, {"top-p", &b.TopP, f.topP},
		{"corrector", &b.Corrector, f.corrector}, {"guidance", &b.Guidance, f.guidance}})
	if b.Infill, err = f.draft(); b.Infill == nil {
		return b, err
	}
	if b.Mark = f.mark; !utf8.ValidString(*b.Infill) {
		return b, usagef("--infill %s is no UTF-8, which a service takes alone; fill it in from the folder of the run",
			f.infill)
	}
	return b, nil
}
