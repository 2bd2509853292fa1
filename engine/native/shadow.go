package native

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
)

// callShadow runs an operation on the shadow backend.
func (p *Program) callShadow(t *tensor, args []*buffer) error {
	in := make([]compute.Buffer, len(t.in))
	for i, u := range t.in {
		b, err := p.shadowBuffer(u, args)
		if err != nil {
			return err
		}
		in[i] = b
	}
	outs, err := t.shadow.exec.Execute(in, nil, 0)
	if err != nil {
		return fmt.Errorf("native: %s: %w", t.shadow.node.op, err)
	}
	for i, s := range p.slots {
		if s.from != fromShadow || s.t.in[0] != t {
			continue
		}
		if p.bufs[i], err = p.backend.adopt(outs[s.t.op]); err != nil {
			return err
		}
		p.mem[i] = addrOf(p.bufs[i].ptr)
	}
	return nil
}

// held returns the buffer that is the tensor's memory, if there is one.
func (p *Program) held(t *tensor, args []*buffer) *buffer {
	switch t.kind {
	case kindParam:
		return args[t.op]
	case kindConst:
		return t.buf
	case kindOut:
		return p.bufs[t.slot]
	}
	return nil
}

// shadowBuffer returns a tensor as the shadow backend takes it.
func (p *Program) shadowBuffer(t *tensor, args []*buffer) (compute.Buffer, error) {
	if b := p.held(t, args); b != nil {
		return b.behind()
	}
	base, offset := t.root()
	buf, flat, err := p.backend.shadow.NewSharedBuffer(0, shapes.Make(t.typ, t.dims...))
	if err != nil || t.size() == 0 {
		return buf, err
	}
	switch f := flat.(type) {
	case []float32:
		copy(f, unsafe.Slice(floatAt(p.mem[base.slot], offset), len(f)))
	case []bfloat16.BFloat16:
		copyBytes(unsafe.Pointer(unsafe.SliceData(f)), p.mem[base.slot]+addr(2*offset), 2*len(f))
	case []bool:
		copyBytes(unsafe.Pointer(unsafe.SliceData(f)), p.mem[base.slot]+addr(offset), len(f))
	default:
		from := p.held(base, args)
		if from == nil {
			return nil, fmt.Errorf("native: a tensor of %s is in no buffer", t.typ)
		}
		reflect.Copy(reflect.ValueOf(flat), reflect.ValueOf(from.flat).Slice(offset, offset+t.size()))
	}
	return buf, nil
}

// copyOther copies a result of a type that regions cannot hold.
func (p *Program) copyOther(dst *buffer, o *output, args []*buffer) error {
	base, _ := o.t.root()
	from := p.held(base, args)
	if from == nil {
		return fmt.Errorf("native: a result of %s is in no buffer", o.t.typ)
	}
	src := reflect.ValueOf(from.flat)
	reflect.Copy(reflect.ValueOf(dst.flat), src.Slice(o.offset, o.offset+reflect.ValueOf(dst.flat).Len()))
	return nil
}

// wholeProgram is a computation that runs on the shadow backend from end to end:
// one with dynamic shapes, named functions or quantized weights.
type wholeProgram struct {
	backend *Backend
	exec    compute.Executable
}

func (w *wholeProgram) Finalize()                          { w.exec.Finalize() }
func (w *wholeProgram) Inputs() ([]string, []shapes.Shape) { return w.exec.Inputs() }
func (w *wholeProgram) Outputs() []shapes.Shape            { return w.exec.Outputs() }

func (w *wholeProgram) Execute(inputs []compute.Buffer, donate []bool,
	device compute.DeviceNum) ([]compute.Buffer, error) {
	if w.backend.finalized.Load() {
		return nil, errFinalized
	}
	if len(donate) != 0 && len(donate) != len(inputs) {
		return nil, fmt.Errorf("native: %d donations for %d arguments", len(donate), len(inputs))
	}
	in := make([]compute.Buffer, len(inputs))
	for i, b := range inputs {
		o, ok := b.(*buffer)
		if !ok || o.backend != w.backend || o.dead {
			return nil, fmt.Errorf("native: argument %d is not a live buffer of this backend", i)
		}
		var err error
		if in[i], err = o.behind(); err != nil {
			return nil, err
		}
		if len(donate) > 0 && donate[i] {
			o.dead = true
		}
	}
	outs, err := w.exec.Execute(in, donate, device)
	if err != nil {
		return nil, err
	}
	for i, o := range outs {
		if outs[i], err = w.backend.adopt(o); err != nil {
			return nil, err
		}
	}
	return outs, nil
}
