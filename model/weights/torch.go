package weights

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"flowmatch/internal/choice"
)

// storage is the numbers of one or more tensors of a file of PyTorch.
type storage struct {
	kind   string // of its numbers
	width  int    // of one, in bytes
	count  int
	offset int64 // in the file; -1: not known yet
}

// view is a tensor before its storage is found.
type view struct {
	of             *storage
	start          int
	shape, strides []int
}

// storageKinds are the classes of storages: the name of the type, and its width.
var storageKinds = map[string]struct {
	kind  string
	width int
}{
	"torch.FloatStorage": {"float32", 4}, "torch.HalfStorage": {"float16", 2}, "torch.BFloat16Storage": {"bfloat16", 2},
	"torch.DoubleStorage": {"float64", 8}, "torch.LongStorage": {"int64", 8}, "torch.IntStorage": {"int32", 4},
	"torch.ShortStorage": {"int16", 2}, "torch.CharStorage": {"int8", 1}, "torch.ByteStorage": {"uint8", 1},
	"torch.BoolStorage": {"bool", 1},
}

// inertClasses are classes whose objects stand beside weights and hold none: settings, types,
// numbers and arrays of numpy. They are made of nothing but their name.
var inertClasses = []string{
	"argparse.Namespace", "types.SimpleNamespace", "torch.device", "pathlib.PosixPath", "pathlib.Path",
	"numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "_codecs.encode",
	"copy_reg._reconstructor", "copyreg._reconstructor", "__builtin__.object", "builtins.object",
	"numpy.ndarray", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
	"builtins.set", "__builtin__.set", "builtins.slice", "builtins.complex",
	"torch.float32", "torch.float16", "torch.bfloat16", "torch.float64", "torch.int64", "torch.int32", "torch.bool",
}

var errNoCall = errors.New("a storage is not made by a call")

// known returns what a name of a pickle stands for.
func known(name string) (*global, error) {
	if _, ok := storageKinds[name]; ok {
		return &global{name, func(tuple) (any, error) { return nil, errNoCall }}, nil
	}
	if slices.Contains(inertClasses, name) {
		return &global{name, func(tuple) (any, error) { return inert{name}, nil }}, nil
	}
	switch name {
	case "collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict":
		return &global{name, pairs}, nil
	case "builtins.list", "__builtin__.list":
		return &global{name, func(tuple) (any, error) { return &list{}, nil }}, nil
	case "torch.Size":
		return &global{name, func(args tuple) (any, error) { return args, nil }}, nil
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		return &global{name, rebuild}, nil
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		return &global{name, func(args tuple) (any, error) {
			if len(args) == 0 {
				return nil, errors.New("no argument")
			}
			return args[0], nil
		}}, nil
	}
	return nil, ErrGlobal
}

// pairs makes a dictionary of a list of keys with their values.
func pairs(args tuple) (any, error) {
	d := &dict{}
	if len(args) != 1 {
		return d, nil
	}
	items, ok := args[0].(*list)
	if !ok {
		return d, nil
	}
	for _, item := range items.items {
		switch p := item.(type) {
		case *list:
			if err := d.set(p.items); err != nil {
				return nil, err
			}
		case tuple:
			if err := d.set(p); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// rebuild makes a tensor: storage, offset, shape, strides, and more that says nothing here.
func rebuild(args tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("%d arguments", len(args))
	}
	of, isStorage := args[0].(*storage)
	start, isInt := args[1].(int)
	shape, shaped := ints(args[2])
	strides, strided := ints(args[3])
	if !isStorage || !isInt || !shaped || !strided {
		return nil, errors.New("arguments that are not those of a tensor")
	}
	return &view{of, start, shape, strides}, nil
}

func ints(v any) ([]int, bool) {
	items, ok := v.(tuple)
	out := make([]int, len(items))
	for i, item := range items {
		n, isInt := item.(int)
		if ok = ok && isInt; ok {
			out[i] = n
		}
	}
	return out, ok
}

// storages are those of one file, by their keys.
type storages map[string]*storage

// of returns the storage that a pickle refers to: ("storage", class, key, place, count, ...).
func (s storages) of(id tuple) (any, error) {
	bad := errors.New("the pickle refers to what is no storage")
	if len(id) < 5 || id[0] != any("storage") {
		return nil, bad
	}
	class, isClass := id[1].(*global)
	key, isText := id[2].(string)
	count, isInt := id[4].(int)
	if !isClass || !isText || !isInt || count < 0 {
		return nil, bad
	}
	if len(id) > 5 && id[5] != nil {
		return nil, errors.New("a storage is a view of another one, which only files of very old versions have: " +
			"load it in PyTorch and save it again")
	}
	kind, ok := storageKinds[class.name]
	if !ok {
		return nil, fmt.Errorf("a storage of class %s", choice.Cut(class.name))
	}
	if have := s[key]; have != nil {
		return have, nil
	}
	s[key] = &storage{kind.kind, kind.width, count, -1}
	return s[key], nil
}

// readZip reads a file of PyTorch from version 1.6 on: a zip archive of a pickle and of storages.
func readZip(f io.ReaderAt, size int64) ([]*Group, error) {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, fmt.Errorf("not a whole file of PyTorch: %w", err)
	}
	parts := map[string]*zip.File{}
	for _, part := range z.File {
		_, name, _ := strings.Cut(part.Name, "/")
		parts[name] = part
	}
	if parts["constants.pkl"] != nil {
		return nil, errors.New("it is a TorchScript program; save the state_dict() of its module")
	}
	code, err := stored(f, parts["data.pkl"], size)
	if err != nil {
		return nil, fmt.Errorf("not a file of PyTorch: data.pkl: %w", err)
	}
	if parts["byteorder"] != nil {
		if order, err := stored(f, parts["byteorder"], size); err != nil || string(order) != "little" {
			return nil, fmt.Errorf("byteorder is %s; only little is read", choice.Quote(string(order)))
		}
	}
	all := storages{}
	root, err := (&machine{code: code, global: known, persistent: all.of}).run()
	if err != nil {
		return nil, err
	}
	for key, s := range all {
		part := parts["data/"+key]
		if s.offset, err = place(part, size); err != nil {
			return nil, fmt.Errorf("storage %s: %w", choice.Quote(key), err)
		}
		if have := int64(part.UncompressedSize64); int64(s.count) > have/int64(s.width) {
			return nil, fmt.Errorf("storage %s has %d bytes; its %d numbers of %s need more", choice.Quote(key), have,
				s.count, s.kind)
		}
	}
	return groups(root, f)
}

// place returns where a part of an archive lies, which must not be compressed.
func place(part *zip.File, size int64) (int64, error) {
	if part == nil {
		return 0, errors.New("it is not there")
	}
	if part.Method != zip.Store {
		return 0, errors.New("it is compressed, which PyTorch does not do")
	}
	at, err := part.DataOffset()
	if err == nil && (at > size || part.UncompressedSize64 > uint64(size-at)) {
		err = io.ErrUnexpectedEOF
	}
	return at, err
}

// stored reads a part of an archive.
func stored(f io.ReaderAt, part *zip.File, size int64) ([]byte, error) {
	at, err := place(part, size)
	if err != nil {
		return nil, err
	}
	b := make([]byte, part.UncompressedSize64)
	_, err = f.ReadAt(b, at)
	return b, err
}

// legacyMagic is the number that a file of PyTorch before version 1.6 begins with, in
// hexadecimal digits, and legacyVersion the one behind it.
const legacyMagic, legacyVersion = "1950a86a20f9469cfc6c", 1001

// readLegacy reads a file of PyTorch before version 1.6: five pickles, then the storages. The
// pickles are read from a beginning of the file, which grows until they are whole.
func readLegacy(f io.ReaderAt, size int64) ([]*Group, error) {
	for window := int64(1 << 16); ; window *= 4 {
		window = min(window, size)
		code := make([]byte, window)
		if _, err := f.ReadAt(code, 0); err != nil && err != io.EOF {
			return nil, err
		}
		groups, err := readPickles(f, code, size)
		if !errors.Is(err, errShort) || window == size {
			return groups, err
		}
	}
}

func readPickles(f io.ReaderAt, code []byte, size int64) ([]*Group, error) {
	all, total := storages{}, len(code)
	var made [5]any // magic number, version, about the system, the weights, the keys of the storages
	for i := range made {
		m := &machine{code: code, global: known, persistent: all.of}
		v, err := m.run()
		if err != nil {
			return nil, err
		}
		made[i], code = v, m.code
		if i == 0 && v != any(legacyMagic) || i == 1 && v != any(legacyVersion) {
			return nil, errors.New("a pickle that is not of PyTorch; save weights by " +
				"torch.save(model.state_dict(), FILE)")
		}
	}
	keys, ok := made[4].(*list)
	if !ok {
		return nil, errors.New("the list of its storages is missing")
	}
	at := int64(total - len(code))
	for _, key := range keys.items {
		name, isText := key.(string)
		s := all[name]
		if !isText || s == nil {
			return nil, fmt.Errorf("storage %v is there, and nothing refers to it", choice.Quote(fmt.Sprint(key)))
		}
		var count [8]byte
		if _, err := f.ReadAt(count[:], at); err != nil {
			return nil, fmt.Errorf("storage %s: %w", choice.Quote(name), err)
		}
		n := binary.LittleEndian.Uint64(count[:])
		switch at += 8; {
		case n != uint64(s.count):
			return nil, fmt.Errorf("storage %s has %d numbers, and the file says %d", choice.Quote(name), s.count, n)
		case n > uint64(size-at)/uint64(s.width):
			return nil, fmt.Errorf("not a whole file of PyTorch: it ends in storage %s, of %d numbers of %s",
				choice.Quote(name), n, s.kind)
		}
		s.offset = at
		at += int64(s.count) * int64(s.width)
	}
	for key, s := range all {
		if s.offset < 0 {
			return nil, fmt.Errorf("storage %s is not there", choice.Quote(key))
		}
	}
	return groups(made[3], f)
}

// groups finds the tensors in what a pickle made.
func groups(root any, f io.ReaderAt) ([]*Group, error) {
	w := &walk{src: f, seen: map[any]bool{}}
	if v, ok := root.(*view); ok {
		root = &dict{keys: []any{"tensor"}, values: []any{v}}
	}
	return w.all, w.into("", root, 0)
}

// walk looks through nested dictionaries and lists, each once.
type walk struct {
	src  io.ReaderAt
	seen map[any]bool
	all  []*Group
}

// deepest is how deep the dictionaries of a checkpoint are nested at the most, and longest how
// many bytes a key has.
const deepest, longest = 32, 512

func (w *walk) into(key string, v any, depth int) error {
	var keys, values []any
	switch on := v.(type) {
	case *dict:
		if w.seen[on] {
			return nil
		}
		w.seen[on], keys, values = true, on.keys, on.values
	case *list:
		if w.seen[on] {
			return nil
		}
		w.seen[on], values = true, on.items
	case tuple:
		if len(on) == 0 || w.seen[&on[0]] {
			return nil
		}
		w.seen[&on[0]], values = true, on
	default:
		return nil
	}
	if depth > deepest {
		return fmt.Errorf("its dictionaries are nested more than %d deep", deepest)
	}
	g := &Group{Key: key, Ordered: true}
	for i, value := range values {
		name := fmt.Sprint(i)
		if keys != nil {
			switch k := keys[i].(type) {
			case string:
				name = k
			case int:
				name = fmt.Sprint(k)
			default:
				continue
			}
		}
		if len(name) > longest {
			return fmt.Errorf("a key of %d bytes; a tensor has no such name", len(name))
		}
		if err := w.item(g, name, value, depth); err != nil {
			return err
		}
	}
	return nil
}

// item takes a tensor into its group, and looks into what else there is.
func (w *walk) item(g *Group, name string, value any, depth int) error {
	v, ok := value.(*view)
	if !ok {
		return w.into(strings.TrimPrefix(g.Key+"."+name, "."), value, depth+1)
	}
	if v.of.count > math.MaxInt32*64 {
		return fmt.Errorf("a storage of %d numbers", v.of.count)
	}
	t := &Tensor{Name: name, Shape: v.shape, Type: v.of.kind, src: w.src, offset: v.of.offset, start: v.start,
		strides: v.strides}
	if err := t.within(v.of.count); err != nil {
		return err
	}
	if len(g.Names) == 0 {
		w.all = append(w.all, g)
	}
	return g.add(t)
}
