package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"flowmatch/engine/onnx"
	"flowmatch/internal/atomicfile"
	"flowmatch/nn"
	"flowmatch/path"
)

// ExportOptions says what of a model becomes an ONNX file.
type ExportOptions struct {
	// Raw takes the network as it is, with its own input and output; else the file has the
	// velocity, whatever the network predicts.
	Raw bool
	// Average takes the average velocity from t to a time s, a further input, of a
	// network that knows it (nn.Config.Average).
	Average bool
	// Step and Version are recorded in the metadata.
	Step    int
	Version string
}

// ErrNotVelocity is returned when the velocity of a model is asked for as an ONNX file whose
// network outputs something else, along a schedule that no file can hold: one of your own.
var ErrNotVelocity = errors.New("model: the network does not predict the velocity")

// The keys of an ONNX file's metadata, beside keySpec, which is the whole Spec.
const (
	metaVersion      = "flowmatch.version"
	metaStep         = "flowmatch.step"
	metaPrediction   = "flowmatch.prediction"
	metaPath         = "flowmatch.path"
	metaSpan         = "flowmatch.span"
	metaShape        = "flowmatch.shape"
	metaStandardizer = "flowmatch.standardizer"
	metaClasses      = "flowmatch.classes"
	metaTime         = "flowmatch.time"
	metaUnits        = "flowmatch.units"
	// metaContext is the standardizer of the contexts, metaContextColumns are their names, and
	// metaContextUnits says what the input called condition holds.
	metaContext        = "flowmatch.context_standardizer"
	metaContextColumns = "flowmatch.context_columns"
	metaContextUnits   = "flowmatch.context_units"
	metaBounds         = "flowmatch.bounds"
)

// preconditioned is what the own output of a preconditioned network is called in a file.
const preconditioned = "preconditioned"

// ONNX returns the model's field v(x, t, label) as an ONNX model for batches of any
// size: x [N, ...Shape] in model units, t [N] in [Model.Span], label [N] of a conditional
// model (-1: none). Images are [N, H, W, C]. What the numbers mean is in the metadata.
//
// The field is that of [Model.Field]: where the network does not output the velocity, the
// formulas of the path are part of the graph. A path without one is [ErrNotVelocity].
func (m *Model) ONNX(o ExportOptions) (*onnx.Model, error) {
	if err := m.made(); err != nil {
		return nil, err
	}
	if m.spec.Scheduler != nil {
		return nil, fmt.Errorf("%w (it is a %T)", ErrUnnamed, m.spec.Scheduler)
	}
	if m.manifold != nil && !o.Raw {
		return nil, fmt.Errorf("%w: the velocity is projected to what is tangent (%v), and no file has that: export "+
			"the network as it is (Raw), and project there", ErrCurved, m.manifold)
	}
	w := nn.ONNXOptions{Result: path.Velocity.String(), Shape: m.spec.Shape, Average: o.Average}
	switch {
	case o.Average:
		w.Result = "average_velocity"
	case o.Raw && m.spec.Precondition != nil:
		w.Result = preconditioned
	case o.Raw:
		w.Result = m.spec.Prediction.String()
	case m.converted():
		var err error
		w.Around, err = path.ToVelocity[nn.Number](m.scheduler, m.spec.Prediction, m.spec.Precondition)
		if err != nil {
			return nil, fmt.Errorf("%w, and a file cannot hold path %s, which turns its output into one: %w; "+
				"the network itself can be written (Raw)", ErrNotVelocity, m.spec.pathName(), err)
		}
	}
	file, err := m.net.ONNX(w)
	if err != nil {
		return nil, err
	}
	file.Producer, file.ProducerVersion = "flowmatch", o.Version
	file.Doc = "A network of a flow (flow matching, arXiv 2210.02747). Time runs from 0 (noise) to 1 (data). " +
		"x is in model units; see the metadata."
	if w.Result == preconditioned {
		file.Doc = "A preconditioned network of a flow (flow matching, arXiv 2210.02747): " +
			"x is z and t is 4τ - 2 of the metadata, not a point and a time."
	}
	return file, m.describe(file.Metadata, w.Result, o)
}

// converted reports whether the network's own output is not the velocity.
func (m *Model) converted() bool {
	return m.spec.Precondition != nil || m.spec.Prediction != path.Velocity
}

func (m *Model) describe(meta map[string]string, name string, o ExportOptions) error {
	lo, hi := m.Span()
	meta[metaVersion], meta[metaStep], meta[metaPrediction] = o.Version, strconv.Itoa(o.Step), name
	meta[metaTime] = "0 is noise, 1 is data"
	meta[metaUnits] = "x and the output are in model units; " +
		"data = x * std + mean where there is a standardizer, else data = x"
	if m.spec.Schema != nil {
		meta[metaUnits] = "x and the output are in model units, of which the schema of the spec makes rows of a table"
	}
	if name == preconditioned {
		meta[metaTime] = "t is 4τ - 2, τ = α s_1/(α s_1 + σ s_0), the share of the data in x_t; " +
			"α and σ are those of the path"
		meta[metaUnits] = "x is x_t/R, R² = α² s_1² + σ² s_0², with x_t in model units; the output is " +
			"(σ s_0/R) x_1/s_1 - (α s_1/R) x_0/s_0; " +
			"s_1 and s_0 are precondition.data and precondition.source (1) of the spec"
	}
	meta[metaClasses] = strconv.Itoa(m.spec.Net.Classes)
	parts := map[string]any{
		keySpec: m.spec, metaPath: m.spec.Path, metaShape: m.spec.Shape, metaSpan: []float64{lo, hi},
	}
	if m.spec.Standardizer != nil {
		parts[metaStandardizer] = m.spec.Standardizer
	}
	if m.spec.Net.Context > 0 {
		meta[metaContextUnits] = m.contextUnits()
	}
	if m.spec.ContextStandardizer != nil {
		parts[metaContext] = m.spec.ContextStandardizer
	}
	if m.spec.ContextColumns != nil {
		parts[metaContextColumns] = m.spec.ContextColumns
	}
	if m.spec.Bounds != nil {
		parts[metaBounds] = m.spec.Bounds
	}
	for k, v := range parts {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("model: encoding %s: %w", k, err)
		}
		meta[k] = string(text)
	}
	return nil
}

// contextUnits says what the input called condition is made of.
func (m *Model) contextUnits() string {
	switch {
	case m.spec.Condition != nil:
		return "condition is the context of an image, in model units, as condition of the spec makes it"
	case m.spec.ContextStandardizer == nil:
		return "condition is the context as it is in the data"
	}
	formula := "(context - mean) / std"
	if m.spec.ContextStandardizer.Squash {
		formula = "2 asinh((context - mean) / (2 std))"
	}
	return "condition is standardised: condition = " + formula + ", with mean and std of " + metaContext +
		", number by number in the order of the context's columns"
}

// SaveONNX writes what [Model.ONNX] returns, and it returns, to a file, whole or not
// at all.
func (m *Model) SaveONNX(path string, o ExportOptions) (*onnx.Model, error) {
	file, err := m.ONNX(o)
	return file, saveFile(path, file, err)
}

// saveFile writes a file that was made, unless err says that it was not.
func saveFile(path string, file *onnx.Model, err error) error {
	if err != nil {
		return err
	}
	buf, err := file.Marshal()
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, buf)
}
