package cli

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/client"
	"flowmatch/data/dataset"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/ode"
	"flowmatch/run"
)

// This file draws samples from a service, with the flags and the files of those of a folder.

// remoteResult is what sample says of samples of a service.
type remoteResult struct {
	Service  string   `json:"service"`
	Model    string   `json:"model"`
	Step     int      `json:"step"`
	Files    []string `json:"files"`
	N        int      `json:"n"`
	Seed     uint64   `json:"seed"`
	Solver   string   `json:"solver"`
	Seconds  float64  `json:"seconds"`
	Warnings []string `json:"warnings,omitempty"`
}

func (r remoteResult) text(w io.Writer) {
	fmt.Fprintf(w, "samples\t%d, seed %d, in %s\n", r.N, r.Seed, strings.Join(r.Files, ", "))
	fmt.Fprintf(w, "model\t%s of %s, step %d\n", r.Model, r.Service, r.Step)
	fmt.Fprintf(w, "solver\t%s, %.2f s\n", r.Solver, r.Seconds)
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
}

// isURL says whether what samples are drawn from is a service.
func isURL(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

// serviceOf returns the service and the model that a URL names: http://HOST:PORT/MODEL, also with the
// path of the service, /v1/models/MODEL.
func serviceOf(text string) (service, model string, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "", usagef("%s is no URL: %w", choice.Quote(text), err)
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", "", usagef("%s is not the URL of a model; want http://HOST:PORT/MODEL", choice.Quote(text))
	}
	var base string
	base, model = path.Split(strings.TrimRight(u.Path, "/"))
	if model == "" || model == "models" && strings.HasSuffix(base, "/v1/") {
		return "", "", usagef("%s names no model; want http://HOST:PORT/MODEL", choice.Quote(text))
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(base, "/"), "/v1/models")
	return u.String(), model, nil
}

// ofFolders are flags that no service takes, whatever its models are, and why.
var ofFolders = []struct{ flag, why string }{
	{"backend", "a service keeps the one that it was started with"},
	{"set", "a service keeps the settings of its runs; give --solver, --steps and the like"},
	{"mask", "a service completes points of which some values are null, by POST /complete; its page hides any pixels"},
	{"map", "no request to a service climbs log p"},
	{"latents", "a service samples what the network learnt: of a run of latents these are its samples"},
	{"weights", "a service keeps weights as it loaded them"},
}

// forFolders reports flags that no service takes, whatever its models are.
func (f *sampleFlags) forFolders(cmd *cobra.Command) error {
	for _, of := range ofFolders {
		if cmd.Flags().Changed(of.flag) {
			return usagef("--%s is for folders: %s", of.flag, of.why)
		}
	}
	if f.given == heldOut {
		return usagef("--given %s is for folders, whose data are there; give a service the contexts", heldOut)
	}
	if f.condition == heldOut {
		return usagef("--condition %s is for folders, whose data are there; give a service the images", heldOut)
	}
	if f.shift.auto {
		return usagef("--shift %s is for folders: a service does not tell the patches; give a number", autoShift)
	}
	if cmd.Flags().Changed("control") && f.control != ode.ByPoint {
		return usagef("--control %s is for folders: a service solves by steps of each point's own, for points of "+
			"several requests share a solve", f.control)
	}
	return nil
}

// checkRemote reports flags that a service cannot do, and returns the ending of the file to write.
func (f *sampleFlags) checkRemote(cmd *cobra.Command) (ext string, err error) {
	if ext, err = f.check(cmd); err != nil {
		return "", err
	}
	return ext, inFolder(f.out, f.condition)
}

func (a *app) sampleRemote(cmd *cobra.Command, from string, f sampleFlags) (result, error) {
	service, name, err := serviceOf(from)
	if err != nil {
		return nil, err
	}
	if err := f.forFolders(cmd); err != nil {
		return nil, err
	}
	c := &client.Client{URL: service}
	if f.tokens != "" {
		tokens, err := readTokens(f.tokens)
		if err != nil {
			return nil, err
		}
		c.Token = tokens[0]
	}
	m, err := c.Model(cmd.Context(), name)
	if err != nil {
		return nil, ofService(err, service)
	}
	if m.Tokens != nil {
		return a.sampleRemoteTokens(cmd, from, c, m, f)
	}
	if err := pointsOnly(cmd, from); err != nil {
		return nil, err
	}
	ext, err := f.checkRemote(cmd)
	if err != nil {
		return nil, err
	}
	b, given, err := f.request(cmd, m, ext)
	if err != nil {
		return nil, err
	}
	as := map[string]string{".csv": client.CSV, ".npy": client.NPZ, ".png": client.PNG}[ext]
	file, res, err := a.askFile(cmd, c, name, b, as)
	if err != nil {
		return nil, err
	}
	res.Files, err = saved(f.out, ext, file.Body)
	if ext == ".csv" && b.Condition != nil {
		res.Warnings = append(res.Warnings, "the contexts of the images are not written; a .npy has them beside it")
	}
	if err == nil && ext == ".csv" && len(m.Given) > run.MostGivenColumns {
		var beside, note string
		beside, note, err = writeWide(f.out, spread(given, b.N))
		res.Files, res.Warnings = append(res.Files, beside), append(res.Warnings, note)
	}
	return res, err
}

// askFile asks a service for samples as a file, and returns what is to be said of them but the names of files.
func (a *app) askFile(cmd *cobra.Command, c *client.Client, name string, b client.SampleRequest, as string) (
	*client.File, remoteResult, error,
) {
	n := b.N * max(1, len(b.Given), len(b.Condition))
	a.status("asking for %d samples", n)
	start := time.Now()
	file, err := c.SampleFile(cmd.Context(), name, b, as)
	if err != nil {
		return nil, remoteResult{}, ofService(err, c.URL)
	}
	return file, remoteResult{Service: c.URL, Model: name, Step: file.Step, N: n, Seed: *file.Seed, Solver: file.Solver,
		Seconds: time.Since(start).Seconds(), Warnings: file.Warnings}, nil
}

// saved writes what a service sent, and returns the names of the files.
func saved(path, ext string, body []byte) ([]string, error) {
	if ext == ".npy" {
		return unpack(path, body)
	}
	return []string{path}, atomicfile.WriteBytes(path, body)
}

// ofService marks what a service says of a request as an error of the one who typed it.
func ofService(err error, service string) error {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return err
	}
	text := strings.Join(append([]string{e.Message}, e.Details...), "; ")
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusNotAcceptable, http.StatusUnprocessableEntity:
		return usagef("%s: %s", service, text)
	case http.StatusUnauthorized:
		return usagef("%s: %s: give --token-file", service, text)
	}
	return fmt.Errorf("%s answers %d: %s", service, e.Status, text)
}

// numberFlag is a number of a request that is there only if its flag is set.
type numberFlag struct {
	flag string
	to   **float64
	v    float64
}

// put puts the flags that are set into a request: some numbers, the seed and the label.
func (f *sampleFlags) put(cmd *cobra.Command, b *client.SampleRequest, numbers []numberFlag) {
	set := cmd.Flags().Changed
	for _, v := range numbers {
		if set(v.flag) {
			*v.to = &v.v
		}
	}
	if set("seed") {
		b.Seed = &f.seed
	}
	if set("label") {
		b.Label = client.Labels{client.Text(f.label)}
	}
}

// request returns the request that the flags make, and the contexts of a model that takes some.
func (f *sampleFlags) request(cmd *cobra.Command, m *client.Model, ext string) (
	b client.SampleRequest, given flow.Batch, err error,
) {
	b = client.SampleRequest{N: f.n, LogP: f.logp, Complete: f.complete,
		GuidanceInterval: f.interval, GuidanceRescale: f.rescale, Eta: f.eta, Diffusion: f.diffusion,
		How: client.How{Solver: f.solver, Steps: f.steps, TimeGrid: (*client.TimeGrid)(f.over(cmd, nil))}}
	f.put(cmd, &b, []numberFlag{{"guidance", &b.Guidance, f.guidance}, {"rtol", &b.RTol, f.rtol},
		{"atol", &b.ATol, f.atol}})
	if ext == ".png" && m.Shape == nil {
		return b, given, usagef("--out %q: a service draws pictures of images, and %s makes none; give a .csv or .npy",
			f.out, m.Name)
	}
	if f.grid != "" {
		rows, cols, err := f.gridSides(cmd, run.ClassColumns(len(m.Classes)))
		if err != nil {
			return b, given, err
		}
		b.N, b.Columns = rows*cols, cols
	}
	if cmd.Flags().Changed("given") {
		if given, err = f.giveRemote(&b, m); err != nil {
			return b, given, err
		}
	}
	return b, given, f.showRemote(&b, m)
}

// giveRemote reads --given as the model takes it.
func (f *sampleFlags) giveRemote(b *client.SampleRequest, m *client.Model) (c flow.Batch, err error) {
	switch {
	case m.Given == nil && !m.Shown:
		return c, usagef("--given is for models that take a context, or were trained to be shown columns, and %s is "+
			"none", m.Name)
	case f.given == "" && m.Given == nil:
		return c, usagef("--given is empty; the columns of %s are %s", m.Name, choice.List(m.Columns))
	case f.given == "":
		return c, usagef("--given is empty; the context of %s is %s", m.Name, choice.List(m.Given))
	case m.Given == nil:
		b.Given, err = someRows(f.given, m.Columns)
		return c, err
	}
	if c, err = readPoints("--given", "context", f.given, m.Given,
		dataset.Grid{Shape: m.GivenShape, Marked: m.GivenSet}); err != nil {
		return c, err
	}
	for i := range c.N {
		one := map[string]any{}
		for k, v := range c.Row(i) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return c, usagef("--given: %s of context %d is %g; it must be a finite number",
					choice.Quote(m.Given[k]), i+1, v)
			}
			one[m.Given[k]] = v
		}
		b.Given = append(b.Given, one)
	}
	if _, missing := os.Stat(f.given); missing != nil || m.LabelName == "" {
		return c, nil
	}
	label, err := dataset.ContextLabels(f.given, m.Given, dataset.Like{LabelName: m.LabelName, ClassNames: m.Classes,
		Classes: len(m.Classes)})
	if label != nil && b.Label != nil {
		return c, usagef("--label is given, and %s has the classes of its contexts in column %s; leave out one of them",
			f.given, choice.Quote(m.LabelName))
	}
	for _, l := range label {
		b.Label = append(b.Label, client.Text(m.Classes[l]))
	}
	return c, err
}

// someRows reads rows of which some values are known, as texts: NAME=VALUE,... or a file.
func someRows(text string, columns []string) (rows client.Rows, err error) {
	if _, missing := os.Stat(text); missing != nil && strings.Contains(text, "=") {
		names, values, err := dataset.SplitNamed(text, columns)
		if err != nil {
			return nil, usagef("--given: %w", err)
		}
		row := map[string]any{}
		for k, name := range names {
			if values[k] == "" {
				return nil, usagef("--given: %s has no value: leave it out", choice.Quote(name))
			}
			row[name] = values[k]
		}
		return client.Rows{row}, nil
	}
	if !table.Known(text) {
		return nil, usagef("--given: %s is neither NAME=VALUE,... nor a table", choice.Quote(text))
	}
	cells, err := table.ReadCells(text, table.Options{})
	if err != nil {
		return nil, fmt.Errorf("--given: %w", ofFile(err))
	}
	for i := range cells.Rows {
		row := map[string]any{}
		for k, name := range cells.Names {
			column := cells.Columns[k]
			row[name] = column.Values[column.Index[i]]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// unpack writes the arrays of an archive: the samples as file, and others beside it.
func unpack(file string, archive []byte) (files []string, err error) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("the answer is no archive of arrays: %w", err)
	}
	for _, part := range z.File {
		name := file
		if array := strings.TrimSuffix(part.Name, ".npy"); array != "x" {
			if !slices.Contains([]string{"label", "logp", "given"}, array) { // a name is no path
				return files, fmt.Errorf("the answer has an array %s; want those of samples", choice.Quote(part.Name))
			}
			name = besideNPY(file, array)
		}
		from, err := part.Open()
		if err != nil {
			return files, err
		}
		err = atomicfile.WriteFile(name, func(w io.Writer) error {
			_, err := io.Copy(w, from)
			return err
		})
		if from.Close(); err != nil {
			return files, err
		}
		files = append(files, name)
	}
	return files, nil
}
