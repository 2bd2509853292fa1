package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// This file has what a page asks for that shows a run and its flow.

// FieldRequest asks for velocities.
type FieldRequest struct {
	X     []Point `json:"x" minItems:"1" doc:"points, in units of the data"`
	T     float64 `json:"t" minimum:"0" maximum:"1" doc:"time between noise (0) and samples (1)"`
	Label Labels  `json:"label,omitempty" doc:"class of each point, or one of all"`
	Given Rows    `json:"given,omitempty" doc:"context of each point, or one of all"`
	// Condition is as in SampleRequest.
	Condition [][]float64 `json:"condition,omitempty" minItems:"1" doc:"image of each point, or one of all"`
	Guidance  *float64    `json:"guidance,omitempty" doc:"scale of classifier-free guidance"`
}

// Field is velocities.
type Field struct {
	Model string  `json:"model"`
	Step  int     `json:"step" doc:"steps of training behind the weights"`
	T     float64 `json:"t"`
	// V are, of a curved space, tangent vectors in the space around.
	V [][]float64 `json:"v" doc:"velocity of each point, in units of the data a unit of time"`
	// Warnings are such as that of a context far from those of the training.
	Warnings []string `json:"warnings,omitempty" doc:"what is to be known of the velocities"`
}

// CompleteRequest asks for points of which a part is known.
type CompleteRequest struct {
	X     [][]*float64 `json:"x" minItems:"1" doc:"points in units of the data, as samples have them; null: not known"`
	N     int          `json:"n,omitempty" minimum:"1" doc:"how often to complete each; default 1"`
	Seed  *uint64      `json:"seed,omitempty" doc:"of the noise; default: that of the run"`
	Label Labels       `json:"label,omitempty" doc:"class of each point, or one of all; default: every class in turn"`
	Given Rows         `json:"given,omitempty" doc:"context of each point, or one of all"`
	// Guidance is as in SampleRequest.
	Guidance *float64 `json:"guidance,omitempty" doc:"scale of classifier-free guidance"`
	How
}

// Completed is points whose unknown part is filled in.
type Completed struct {
	Model    string        `json:"model"`
	Step     int           `json:"step" doc:"steps of training behind the weights"`
	Seed     uint64        `json:"seed"`
	Solver   string        `json:"solver"`
	X        [][][]float64 `json:"x" doc:"all points, n times"`
	Warnings []string      `json:"warnings,omitempty" doc:"what is to be known: are they approximate?"`
}

// Run is the training behind a model.
type Run struct {
	Name     string   `json:"name"`
	Step     int      `json:"step" doc:"steps of training behind the weights that answer; 0: there are none yet"`
	Steps    int      `json:"steps" doc:"steps that the training takes in all"`
	Training bool     `json:"training" doc:"it is being trained at this moment"`
	Logged   int      `json:"logged" doc:"step of the last line of its metrics"`
	Data     string   `json:"data" doc:"what it learns from: a file, a law or a simulator"`
	Kind     string   `json:"kind" doc:"of the data: synthetic, table, images ..."`
	Settings string   `json:"settings" doc:"its run file (YAML), with the names of files in the place of paths"`
	Seconds  float64  `json:"seconds" doc:"time of training so far"`
	Left     *float64 `json:"left,omitempty" doc:"seconds of training left, at the rate so far"`
	Columns  []Column `json:"columns,omitempty" doc:"of a table that was learnt as what its columns hold"`
	// Center and Scale are those of the columns of the training data, ContextCenter and ContextScale those
	// of the contexts.
	Center        []float64 `json:"center,omitempty" doc:"mean of each column of the data, or one of all"`
	Scale         []float64 `json:"scale,omitempty" doc:"standard deviation of each column, or one of all"`
	ContextCenter []float64 `json:"context_center,omitempty" doc:"mean of each number of a context"`
	ContextScale  []float64 `json:"context_scale,omitempty" doc:"standard deviation of each number of a context"`
	// Vocabulary is what the levels of tokens of kind bpe stand for, in order.
	Vocabulary []string `json:"vocabulary,omitempty" doc:"of tokens of kind bpe: the texts of the levels, in order"`
}

// Column is a column of a table.
type Column struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind" doc:"real, integer, binary, category, ordered, date, or constant"`
	Levels  []string `json:"levels,omitempty" doc:"of a column of levels, the first 200"`
	Of      int      `json:"of,omitempty" doc:"how many levels there are"`
	Low     *float64 `json:"low,omitempty" doc:"smallest number of the data"`
	High    *float64 `json:"high,omitempty" doc:"largest number of the data"`
	Step    float64  `json:"step,omitempty" doc:"distance of numbers on a grid"`
	Value   string   `json:"value,omitempty" doc:"of a constant"`
	Missing bool     `json:"missing,omitempty" doc:"values may be missing"`
}

// Metric is a line of the metrics of a training.
type Metric struct {
	Step     int      `json:"step"`
	Loss     float64  `json:"loss" doc:"mean over the steps since the line before"`
	ValLoss  *float64 `json:"val_loss,omitempty" doc:"of held-out points, where the step was validated"`
	LR       float64  `json:"lr" doc:"learning rate"`
	GradNorm float64  `json:"grad_norm"`
	Rate     float64  `json:"rate,omitempty" doc:"examples a second"`
	Seconds  float64  `json:"seconds" doc:"time of training so far"`
}

// Metrics is the metrics of a training.
type Metrics struct {
	Name     string   `json:"name"`
	Training bool     `json:"training" doc:"it is being trained at this moment"`
	Steps    int      `json:"steps" doc:"steps that the training takes in all"`
	Lines    int      `json:"lines" doc:"how many lines there are, of which some may be left out"`
	Metrics  []Metric `json:"metrics" doc:"in the order of steps"`
}

// Field evaluates velocities.
func (c *Client) Field(ctx context.Context, model string, r FieldRequest) (*Field, error) {
	f := new(Field)
	return f, c.post(ctx, model, "field", r, f)
}

// Complete fills in what is not known of points.
func (c *Client) Complete(ctx context.Context, model string, r CompleteRequest) (*Completed, error) {
	f := new(Completed)
	return f, c.post(ctx, model, "complete", r, f)
}

// Run returns the training behind a model.
func (c *Client) Run(ctx context.Context, model string) (*Run, error) {
	r := new(Run)
	return r, c.get(ctx, modelPath(model, "run"), r)
}

// Metrics returns the metrics of a training, of steps after one, thinned to at most so many; 0: as many as the
// service does.
func (c *Client) Metrics(ctx context.Context, model string, after, points int) (*Metrics, error) {
	m := new(Metrics)
	return m, c.get(ctx, metricsPath(model, "metrics", after, points), m)
}

// Watch calls each with the metrics of a training as they are written, beginning with those of steps after
// one, until the training or the time of the request is over, or each returns an error. Then it may be called
// again.
func (c *Client) Watch(ctx context.Context, model string, after int, each func(Metrics) error) error {
	resp, err := c.do(ctx, http.MethodGet, metricsPath(model, "metrics/stream", after, 0), nil, Events)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readEvents(resp, func(name string, data []byte) (bool, error) {
		if name != "metrics" {
			return name == "end", nil
		}
		var m Metrics
		if err := json.Unmarshal(data, &m); err != nil {
			return false, fmt.Errorf("client: metrics cannot be read: %w", err)
		}
		return false, each(m)
	})
}

func metricsPath(model, what string, after, points int) string {
	q := url.Values{}
	for name, v := range map[string]int{"after": after, "points": points} {
		if v != 0 { // the service says what is wrong with a negative one
			q.Set(name, strconv.Itoa(v))
		}
	}
	path := modelPath(model, what)
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}
