package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// This file has the requests and answers of a service as JSON has them. The service decodes and describes
// its requests by the same types: `doc` and the limits in the tags are those of its OpenAPI document.

// Model is what a model is, and what requests may and must say.
type Model struct {
	Name    string `json:"name"`
	Step    int    `json:"step" doc:"steps of training behind the weights"`
	Loaded  string `json:"loaded" doc:"when this state was read (RFC 3339)"`
	Dim     int    `json:"dim" doc:"numbers of a point, as the flow moves it"`
	Shape   []int  `json:"shape,omitempty" doc:"of an image: height, width, channels"`
	Path    string `json:"path"`
	Weights int    `json:"weights" doc:"number of weights of the network"`
	// Columns are those of a row of samples.
	Columns []string `json:"columns,omitempty" doc:"names of the values of a row; those of an image have none"`
	Kinds   []string `json:"kinds,omitempty" doc:"what the columns of a table hold: real, category, date ..."`
	Shown   bool     `json:"shown,omitempty" doc:"given takes any of the columns, and rows can be imputed"`
	Classes []string `json:"classes,omitempty" doc:"what label takes, by name or by number"`
	Given   []string `json:"given,omitempty" doc:"what given must say of each context"`
	// GivenShape is the shape of a context, and GivenSet says that it is a set of observations.
	GivenShape []int  `json:"given_shape,omitempty" doc:"of a context that is an array: its axes, in C order"`
	GivenSet   bool   `json:"given_set,omitempty" doc:"that array is observations, each with a mark of 1, or 0: none"`
	LabelName  string `json:"label_name,omitempty" doc:"the column of the classes in the table of the data"`
	// Guidance says whether the model was trained for it.
	Guidance bool   `json:"guidance,omitempty" doc:"guidance has an effect"`
	Bounds   string `json:"bounds,omitempty" doc:"samples lie within them"`
	Density  string `json:"no_density,omitempty" doc:"why there are no log-densities; absent: there are"`
	Solver   string `json:"solver" doc:"where a request names none"`
	// Untrained says why nothing can be asked of the model yet.
	Untrained string `json:"untrained,omitempty" doc:"why nothing can be asked yet; absent: all can"`
	// Condition is what images are made from, of a model that makes them from images.
	Condition string `json:"condition,omitempty" doc:"images are made from others: of those, this is known"`
	Low       []int  `json:"low,omitempty" doc:"of images that are made larger: height, width, channels of a small one"`
	Space     string `json:"space,omitempty" doc:"the curved space of its points; absent: it is flat"`
	// Tokens is what a model of sequences of tokens has; nil of one of points.
	Tokens *Tokens `json:"tokens,omitempty" doc:"of a model of sequences of tokens; absent: it is of points"`
}

// Tokens is what the sequences of a model are.
type Tokens struct {
	Kind   string `json:"kind" enum:"bytes,chars,bpe,categories,integers" doc:"what a token is: bpe is pieces of words"`
	Length int    `json:"length" doc:"tokens of a sequence"`
	Levels int    `json:"levels" doc:"values of a token; the next one is a mask, where there are masks"`
	Source string `json:"source" enum:"mask,uniform" doc:"what the noise is"`
	Chars  string `json:"chars,omitempty" doc:"of kind chars: the characters that the levels stand for, in order"`
	Infill bool   `json:"infill,omitempty" doc:"texts can be filled in"`
}

// Text is a text that JSON may also have as a number, such as a class.
type Text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*t = Text(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("%s is neither a text nor a number", strconv.Quote(string(b[:min(len(b), 40)])))
	}
	*t = Text(n)
	return nil
}

// Labels are one class or several. A single one is a text in JSON, and so may be a number.
type Labels []Text

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Labels) UnmarshalJSON(b []byte) error {
	return oneOrMore(b, (*[]Text)(l))
}

// Rows are rows by the names of columns, or contexts by the names of their numbers: one or several. A
// single one is an object in JSON. Values are numbers, texts, and nil for what is not known.
type Rows []map[string]any

// UnmarshalJSON implements [json.Unmarshaler].
func (r *Rows) UnmarshalJSON(b []byte) error {
	return oneOrMore(b, (*[]map[string]any)(r))
}

// oneOrMore reads a list, or a single value as a list of one.
func oneOrMore[T any](b []byte, into *[]T) error {
	if isList(b) {
		return json.Unmarshal(b, into)
	}
	var one T
	err := json.Unmarshal(b, &one)
	*into = []T{one}
	return err
}

// Point is a point or a row: its values in the order of the columns, or by their names.
type Point struct {
	Values []any
	Named  map[string]any
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Point) UnmarshalJSON(b []byte) error {
	if isList(b) {
		return json.Unmarshal(b, &p.Values)
	}
	return json.Unmarshal(b, &p.Named)
}

// MarshalJSON implements [json.Marshaler].
func (p Point) MarshalJSON() ([]byte, error) {
	if p.Named != nil {
		return json.Marshal(p.Named)
	}
	return json.Marshal(p.Values)
}

func isList(b []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) }

// How is how a request wants its points to be solved for. A zero field is as the model says.
type How struct {
	Solver string   `json:"solver,omitempty" doc:"method, such as dopri5, euler or average; default: that of the model"`
	Steps  int      `json:"steps,omitempty" minimum:"1" maximum:"100000" doc:"equal steps; default: by the tolerances"`
	RTol   *float64 `json:"rtol,omitempty" minimum:"1e-12" maximum:"1" doc:"relative tolerance"`
	ATol   *float64 `json:"atol,omitempty" minimum:"1e-12" maximum:"1" doc:"absolute tolerance"`
	// TimeGrid is where the steps lie, of a method with given steps.
	TimeGrid *TimeGrid `json:"time_grid,omitempty" doc:"where given steps lie; default: they are equal"`
}

// TimeGrid is where steps lie between noise and data. Its fields are those of timegrid.Config, which
// says what each is.
type TimeGrid struct {
	Spacing       string    `json:"spacing,omitempty" doc:"uniform, karras, exponential or beta"`
	Shift         *float64  `json:"shift,omitempty" minimum:"0" doc:"factor of noise to data; above 1: steps at noise"`
	Mu            *float64  `json:"mu,omitempty" doc:"logarithm of the shift"`
	Tokens        *int      `json:"tokens,omitempty" minimum:"0" doc:"patches of an image, by which mu is computed"`
	BaseShift     *float64  `json:"base_shift,omitempty" doc:"mu at base_tokens; default 0.5"`
	MaxShift      *float64  `json:"max_shift,omitempty" doc:"mu at max_tokens; default 1.15"`
	BaseTokens    *int      `json:"base_tokens,omitempty" minimum:"0" doc:"default 256"`
	MaxTokens     *int      `json:"max_tokens,omitempty" minimum:"0" doc:"default 4096"`
	SigmaMin      *float64  `json:"sigma_min,omitempty" minimum:"0" doc:"level of noise before the last step"`
	ShiftTerminal *float64  `json:"shift_terminal,omitempty" minimum:"0" doc:"the same, after the shift"`
	Rho           *float64  `json:"rho,omitempty" minimum:"0" doc:"of karras; default 7"`
	Alpha         *float64  `json:"alpha,omitempty" minimum:"0" doc:"of beta; default 0.6"`
	Beta          *float64  `json:"beta,omitempty" minimum:"0" doc:"of beta; default 0.6"`
	Sigmas        []float64 `json:"sigmas,omitempty" maxItems:"100001" doc:"levels of noise, falling from 1 to 0"`
	Times         []float64 `json:"times,omitempty" maxItems:"100001" doc:"shares of the time, rising from 0 to 1"`
}

// SampleRequest asks for samples.
type SampleRequest struct {
	N        int      `json:"n" minimum:"1" doc:"samples, of each of given or condition if there are several"`
	Seed     *uint64  `json:"seed,omitempty" doc:"of all that is drawn; default: that of the run"`
	Label    Labels   `json:"label,omitempty" doc:"class of all, or of each of given; default: every class in turn"`
	Given    Rows     `json:"given,omitempty" doc:"a context, or values of some columns of a table; or a list of these"`
	Complete bool     `json:"complete,omitempty" doc:"of a table with missing values, only rows without any"`
	Guidance *float64 `json:"guidance,omitempty" doc:"scale of classifier-free guidance"`
	// GuidanceInterval and GuidanceRescale say when there is guidance, and how strong it may become.
	GuidanceInterval []float64 `json:"guidance_interval,omitempty" doc:"its first and last time, from 0 to 1"`
	GuidanceRescale  float64   `json:"guidance_rescale,omitempty" minimum:"0" maximum:"1" doc:"share of its deviation"`
	LogP             bool      `json:"logp,omitempty" doc:"the log-density of each sample, too"`
	// Noise are the source points, in the place of those of the seed.
	Noise [][]float64 `json:"noise,omitempty" minItems:"1" doc:"source points, in units of the model"`
	// With is what the answer is to have besides, as JSON. To count evaluations the samples are solved for alone.
	With    []string `json:"with,omitempty" enum:"noise,nfe" maxItems:"2" doc:"what JSON is to have besides"`
	Columns int      `json:"columns,omitempty" minimum:"1" maximum:"1024" doc:"images in a row of a picture"`
	// Condition are images that images are made from, of a model with [Model.Condition]: as its samples are or, to be
	// made larger, of [Model.Low].
	Condition [][]float64 `json:"condition,omitempty" minItems:"1" doc:"images to make images from, n of each"`
	// Eta and Diffusion are of solvers with noise.
	Eta       float64 `json:"eta,omitempty" minimum:"0" maximum:"1" doc:"of ddim: share of ancestral noise"`
	Diffusion string  `json:"diffusion,omitempty" doc:"of euler_maruyama and heun_sde: own, constant:0.5, sigma:2 ..."`
	// Temperature, TopP and Corrector are of models of tokens.
	Temperature *float64 `json:"temperature,omitempty" minimum:"0" maximum:"1000" doc:"of tokens: below 1 is sharper"`
	TopP        *float64 `json:"top_p,omitempty" minimum:"0" maximum:"1" doc:"of tokens: the likeliest of this share"`
	Corrector   *float64 `json:"corrector,omitempty" minimum:"0" doc:"of tokens: jumps forth and back, with euler"`
	// Infill is a text of which Mark stands for each token to draw given all others, with Extend more behind its end.
	Infill *string `json:"infill,omitempty" doc:"of tokens: a text in which what is marked is filled in"`
	Mark   string  `json:"mark,omitempty" minLength:"1" doc:"what marks a token of infill; default ▁"`
	Extend int     `json:"extend,omitempty" minimum:"1" maximum:"16777216" doc:"tokens to draw behind infill"`
	How
}

// StreamRequest asks for samples and the states that they come from.
type StreamRequest struct {
	SampleRequest
	Times []float64 `json:"times,omitempty" doc:"from 0 (noise) to 1 (samples), rising; default: 0, 0.1, ... 1"`
}

// Samples are samples, as JSON has them.
type Samples struct {
	Model    string      `json:"model"`
	Step     int         `json:"step" doc:"steps of training behind the weights"`
	Seed     *uint64     `json:"seed,omitempty" doc:"of the noise; none where the request has the noise"`
	Solver   string      `json:"solver"`
	Columns  []string    `json:"columns,omitempty"`
	X        [][]any     `json:"x" doc:"a row for each sample: numbers, texts, and null for what is missing"`
	Labels   []string    `json:"labels,omitempty" doc:"the class of each sample"`
	LogP     []float64   `json:"logp,omitempty" doc:"nats"`
	NFE      int         `json:"nfe,omitempty" doc:"evaluations of the network, if with asks for them"`
	Noise    [][]float64 `json:"noise,omitempty" doc:"source point of each sample, in units of the model"`
	Warnings []string    `json:"warnings,omitempty" doc:"what is to be known of the samples"`
}

// Numbers returns X as numbers, or says which value is none.
func (s *Samples) Numbers() ([][]float64, error) {
	x := make([][]float64, len(s.X))
	for i, row := range s.X {
		x[i] = make([]float64, len(row))
		for k, v := range row {
			var ok bool
			if x[i][k], ok = v.(float64); !ok {
				return nil, fmt.Errorf("client: value %d of sample %d is %v, which is no number", k+1, i+1, v)
			}
		}
	}
	return x, nil
}

// State is the points of a stream at a time between noise (0) and samples (1).
type State struct {
	T float64 `json:"t"`
	X [][]any `json:"x" doc:"as those of samples"`
	// Tokens are the levels of each sequence of a model of tokens.
	Tokens [][]int32 `json:"tokens,omitempty" doc:"of a model of tokens: the level of each; one more is a mask"`
}

// LogPRequest asks for log-densities.
type LogPRequest struct {
	X     []Point `json:"x" minItems:"1" doc:"points or rows, in units of the data"`
	Label Labels  `json:"label,omitempty" doc:"class of each point, or one of all"`
	Given Rows    `json:"given,omitempty" doc:"context of each point, or one of all"`
	// Condition is as in SampleRequest; nil, of a model that takes them: those that X themselves make.
	Condition [][]float64 `json:"condition,omitempty" minItems:"1" doc:"image of each, or one; default: x itself"`
	Seed      *uint64     `json:"seed,omitempty" doc:"of the noise of levels and grids; default: that of the run"`
	// T is the time of the density, that of the points of the flow then; nil: 1.
	T *float64 `json:"t,omitempty" minimum:"0" maximum:"1" doc:"time between noise (0) and samples (1); default 1"`
	How
}

// LogP is log-densities.
type LogP struct {
	Model  string     `json:"model"`
	Step   int        `json:"step" doc:"steps of training behind the weights"`
	Solver string     `json:"solver"`
	LogP   []*float64 `json:"logp" doc:"nats; null: the density is 0"`
	// Warnings are such as that of a context far from those of the training.
	Warnings []string `json:"warnings,omitempty" doc:"what is to be known of the log-densities"`
}

// BoundRequest asks a model of tokens for bounds of log-probabilities.
type BoundRequest struct {
	// Texts are rows as lines of CSV, of a model of a table of categories, and of one of whole numbers with spaces
	// between these.
	Texts []string `json:"texts" minItems:"1" doc:"sequences, each of as many tokens as the model has; see split"`
	// Split is for texts of any length, which are cut into sequences.
	Split int     `json:"split,omitempty" minimum:"1" doc:"cut each text: its first sequences, so many at most"`
	Label Labels  `json:"label,omitempty" doc:"class of each text, or one of all, of a model with classes"`
	Draws int     `json:"draws,omitempty" minimum:"2" maximum:"100000" doc:"times and states of each; default 16"`
	Seed  *uint64 `json:"seed,omitempty" doc:"of the draws; default: that of the run"`
}

// Bound is bounds of log-probabilities. The log-probability of a sequence is at least its ELBO, of which these are
// estimates.
type Bound struct {
	Model string    `json:"model"`
	Step  int       `json:"step" doc:"steps of training behind the weights"`
	Draws int       `json:"draws"`
	Seed  uint64    `json:"seed"`
	ELBO  []float64 `json:"elbo" doc:"nats, of each sequence"`
	// Pieces and LeftOut are of texts that were split.
	Pieces  []string `json:"pieces,omitempty" doc:"of split: the text of each sequence; bytes that are no UTF-8 are �"`
	LeftOut int      `json:"left_out,omitempty" doc:"of split: tokens of the texts that are in no sequence"`
	// Bits is the bound of -log p of a token, with its standard error.
	Bits   float64 `json:"bits_per_token" doc:"of all sequences: -elbo of a token"`
	BitsSE float64 `json:"bits_per_token_se" doc:"its standard error"`
}

// ImputeRequest asks for rows with their missing values filled in.
type ImputeRequest struct {
	Rows Rows    `json:"rows" doc:"rows by the names of columns; null: missing"`
	N    int     `json:"n,omitempty" minimum:"1" doc:"how often to fill in each row; default 1"`
	Seed *uint64 `json:"seed,omitempty" doc:"of the noise; default: that of the run"`
	How
}

// Imputed is rows whose missing values are filled in.
type Imputed struct {
	Model    string             `json:"model"`
	Step     int                `json:"step" doc:"steps of training behind the weights"`
	Seed     uint64             `json:"seed"`
	Solver   string             `json:"solver"`
	Rows     [][]map[string]any `json:"rows" doc:"all rows, n times"`
	Missing  map[string]int     `json:"missing" doc:"how many values were missing, by column"`
	Warnings []string           `json:"warnings,omitempty" doc:"what is to be known of the rows"`
}

// The types of content of samples.
const (
	JSON   = "application/json"
	CSV    = "text/csv"
	NPY    = "application/x-npy"
	NPZ    = "application/x-npz"
	PNG    = "image/png"
	Plain  = "text/plain" // of models of tokens
	Events = "text/event-stream"
)

// The heads of an answer in another format than JSON, which has them as fields.
const (
	HeadStep    = "Flowmatch-Step"
	HeadSeed    = "Flowmatch-Seed"
	HeadSolver  = "Flowmatch-Solver"
	HeadWarning = "Flowmatch-Warning" // one each
)
