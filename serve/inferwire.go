package serve

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/data/schema"
	"flowmatch/internal/choice"
	"flowmatch/run"
)

// This file reads and writes the bodies of the Open Inference Protocol.

// readInfer reads a body: its JSON, and the tensors in binary behind it.
func (s *Server) readInfer(w http.ResponseWriter, r *http.Request, m offered, p *place) (*inferBody, []byte, error) {
	all, err := s.read(w, r, p)
	if err != nil {
		return nil, nil, err
	}
	text, rest := all, []byte(nil)
	if head := r.Header.Get(headLength); head != "" {
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 || n > len(all) {
			return nil, nil, huma.Error400BadRequest(fmt.Sprintf("%s is %s; it must be from 0 to the %d bytes of the "+
				"body", headLength, choice.Quote(head), len(all)))
		}
		text, rest = all[:n], all[n:]
	}
	most := s.mostValues(m.size())
	found, err := scan(text, inferKeys, most)
	if err != nil {
		return nil, nil, err
	}
	if err := p.hold(found.cost()); err != nil {
		return nil, nil, answer(err)
	}
	body := new(inferBody)
	if err := decode(found.text, body); err != nil {
		return nil, nil, huma.Error400BadRequest("the body is not as the protocol says: " + err.Error())
	}
	inBinary := scanned{}
	for _, in := range body.Inputs {
		n, err := (&tensor{name: in.Name, shape: in.Shape}).count()
		if err != nil {
			return nil, nil, err
		}
		if inBinary.values += n; inBinary.values > most {
			return nil, nil, invalid("the inputs have more than %d values, which is more than the points that are "+
				"answered at a time have; ask for fewer of them", most)
		}
	}
	if rest == nil {
		return body, nil, nil
	}
	return body, rest, answer(p.hold(inBinary.cost()))
}

// tensorsOf reads the inputs, those in binary from rest in their order.
func tensorsOf(body *inferBody, rest []byte) (all []*tensor, err error) {
	for _, in := range body.Inputs {
		t := &tensor{name: in.Name, kind: in.Datatype, shape: in.Shape}
		if err := choice.Check("datatype", t.kind, kinds()); err != nil {
			return nil, invalid("input %s: %v", choice.Quote(t.name), err)
		}
		n, err := t.count()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o *tensor) bool { return o.name == t.name }) {
			return nil, invalid("input %s comes twice", choice.Quote(t.name))
		}
		switch size := in.Parameters.Size; {
		case size != nil && in.Data != nil:
			err = invalid("input %s: it has both data and binary_data_size; leave out one", choice.Quote(t.name))
		case size != nil && (*size < 0 || *size > len(rest)):
			err = invalid("input %s: binary_data_size is %d, and %d bytes are left", choice.Quote(t.name), *size,
				len(rest))
		case size != nil:
			err, rest = t.fromBytes(rest[:*size], n), rest[*size:]
		default:
			err = t.fromJSON(in.Data, n)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	if len(rest) > 0 {
		return nil, invalid("%d bytes are left after the inputs", len(rest))
	}
	return all, nil
}

// inferQuery is what the inputs of a request ask for.
type inferQuery struct {
	n     *int
	seed  *uint64
	label client.Labels
	given client.Rows
	// condition are images that images are made from.
	condition [][]float64
	infill    *string        // a text to fill in
	x         []client.Point // nil: samples are asked for
}

// counted reads a tensor that asks for samples, and says whether it is one.
func (q *inferQuery) counted(t *tensor) (is bool, err error) {
	var n int64
	switch t.name {
	case "n":
		n, err = t.single()
		q.n = new(int(n))
	case "seed":
		n, err = t.single()
		q.seed = new(uint64(n))
	default:
		return false, nil
	}
	return true, err
}

// readInputs reads the inputs by their names.
func (r *served) readInputs(in []*tensor) (*inferQuery, error) {
	q, names := new(inferQuery), namesOf(r.inputs())
	var x, given []*tensor
	for _, t := range in {
		if err := choice.Check("input", t.name, names); err != nil {
			return nil, invalid("inputs: %v", err)
		}
		is, err := q.counted(t)
		switch column, isGiven := strings.CutPrefix(t.name, "given"); {
		case is:
		case t.name == "label":
			q.label = t.labels()
		case t.name == "condition":
			q.condition, err = t.rows()
		case isGiven && (column == "" || column[0] == '.'):
			given = append(given, t)
		default:
			x = append(x, t)
		}
		if err != nil {
			return nil, err
		}
	}
	rows, err := r.rowsOf("given", given, r.Model.Spec().ContextColumns)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		q.given = append(q.given, row.Named)
	}
	q.x, err = r.rowsOf("x", x, nil)
	return q, err
}

// single returns the value of a tensor of one whole number.
func (t *tensor) single() (int64, error) {
	if len(t.whole) != 1 {
		return 0, invalid("input %s: want one whole number, of INT64 with shape [1]", choice.Quote(t.name))
	}
	if t.whole[0] < 0 && t.kind != "UINT64" || t.whole[0] < 0 && t.name == "n" {
		return 0, invalid("input %s is %d; it must not be negative", choice.Quote(t.name), t.whole[0])
	}
	return t.whole[0], nil
}

// rows returns the numbers of a tensor [N, ...] as N rows.
func (t *tensor) rows() (rows [][]float64, err error) {
	if len(t.shape) == 0 || len(t.numbers) == 0 {
		return nil, invalid("input %s: shape %v of %s; want numbers of [N, ...]", choice.Quote(t.name), t.shape, t.kind)
	}
	d := len(t.numbers) / t.shape[0]
	for i := range t.shape[0] {
		rows = append(rows, t.numbers[i*d:(i+1)*d])
	}
	return rows, nil
}

// labels returns the classes that a tensor names.
func (t *tensor) labels() (all client.Labels) {
	for _, v := range t.values() {
		all = append(all, client.Text(fmt.Sprint(v)))
	}
	return all
}

// rowsOf returns rows of tensors: of a single one [N, D] called what, named or in order, or of columns [N]
// called what.NAME.
func (r *served) rowsOf(what string, tensors []*tensor, names []string) (rows []client.Point, err error) {
	for k, t := range tensors {
		values, column := t.values(), strings.TrimPrefix(t.name, what+".")
		n, d := len(values), 1
		if column == t.name { // not of one column
			if len(t.shape) == 0 || t.shape[0] == 0 || n == 0 {
				return nil, invalid("input %s: shape %v has no rows", choice.Quote(t.name), t.shape)
			}
			n = t.shape[0]
			d = len(values) / n
		}
		switch {
		case n == 0:
			return nil, invalid("input %s: shape %v has no rows", choice.Quote(t.name), t.shape)
		case names != nil && d != len(names):
			return nil, invalid("input %s: shape %v; want [N, %d], of %s", choice.Quote(t.name), t.shape, len(names),
				choice.List(names))
		case k == 0:
			rows = make([]client.Point, n)
		case n != len(rows):
			return nil, invalid("input %s: %d values, and %s has %d", choice.Quote(t.name), n,
				choice.Quote(tensors[0].name), len(rows))
		}
		for i := range rows {
			row := &rows[i]
			if column == t.name && names == nil {
				row.Values = values[i*d : (i+1)*d]
				continue
			}
			if row.Named == nil {
				row.Named = map[string]any{}
			}
			if column != t.name {
				row.Named[column] = values[i]
			}
			for j, name := range names {
				row.Named[name] = values[i*d+j]
			}
		}
	}
	return rows, nil
}

func namesOf(all []tensorInfo) (names []string) {
	for _, t := range all {
		names = append(names, t.Name)
	}
	return names
}

// tensors returns the values of samples.
func (r *served) tensors(rows run.Rows) (out []*tensor) {
	spec := r.Model.Spec()
	if spec.Schema == nil {
		return []*tensor{{name: "x", kind: "FP64", shape: append([]int{rows.X.N}, r.shape()...), numbers: rows.X.X}}
	}
	for _, c := range spec.Schema.Columns {
		if c.Kind != schema.Identifier {
			out = append(out, &tensor{name: "x." + c.Name, kind: columnType(c), shape: []int{rows.X.N}})
		}
	}
	for i := range rows.X.N {
		for k, v := range rows.Values(i) {
			switch is := v.(type) {
			case float64:
				out[k].numbers = append(out[k].numbers, is)
			case string:
				out[k].texts = append(out[k].texts, is)
			default: // which is missing
				if out[k].kind == "BYTES" {
					out[k].texts = append(out[k].texts, "")
				} else {
					out[k].numbers = append(out[k].numbers, math.NaN())
				}
			}
		}
	}
	return out
}

// writeInfer writes the answer: the outputs that were asked for, or all.
func writeInfer(w http.ResponseWriter, m offered, body *inferBody, all []*tensor, about map[string]any) error {
	var behind []byte
	outputs := []map[string]any{}
	for _, t := range all {
		if body.Outputs != nil && !body.wants(t.name) {
			continue
		}
		out := map[string]any{"name": t.name, "datatype": t.kind, "shape": t.shape}
		if body.binary(t.name) {
			b := t.bytes()
			out["parameters"], behind = map[string]int{"binary_data_size": len(b)}, append(behind, b...)
		} else {
			out["data"] = t.values()
		}
		outputs = append(outputs, out)
	}
	name, step := m.state()
	answer := map[string]any{"model_name": name, "model_version": strconv.Itoa(step), "outputs": outputs,
		"parameters": about}
	if body.ID != "" {
		answer["id"] = body.ID
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", client.JSON)
	if behind != nil {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set(headLength, strconv.Itoa(len(text)))
	}
	w.Write(append(text, behind...))
	return nil
}
