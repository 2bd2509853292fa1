package layout

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/model/weights"
)

// found is the tensors of one network in a file, by their names in its program.
type found struct {
	key     string // the way to them in the file
	names   []string
	tensors map[string]*weights.Tensor
	facts   []Fact
}

// shape returns that of a tensor; nil where there is none.
func (f *found) shape(name string) []int {
	if t := f.tensors[name]; t != nil {
		return t.Shape
	}
	return nil
}

func (f *found) has(name string) bool { return f.tensors[name] != nil }

// under says whether a tensor has a name that begins so.
func (f *found) under(prefix string) bool {
	return slices.ContainsFunc(f.names, func(name string) bool { return strings.HasPrefix(name, prefix) })
}

// rows returns the first axis of a tensor, and column the second; 0 where there is none.
func (f *found) rows(name string) int   { return f.axis(name, 0) }
func (f *found) column(name string) int { return f.axis(name, 1) }

func (f *found) axis(name string, k int) int {
	if s := f.shape(name); len(s) > k {
		return s[k]
	}
	return 0
}

// count returns how many parts there are whose names are the prefix and a number, up to the last
// that has a tensor.
func (f *found) count(prefix string) (n int) {
	for _, name := range f.names {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		var k int
		if _, err := fmt.Sscanf(rest, "%d", &k); err == nil && k >= n && k < 1<<20 {
			n = k + 1
		}
	}
	return n
}

// suffix is the anchor of a tensor of that name.
func suffix(anchor string) func(name string) (string, bool) {
	return func(name string) (prefix string, ok bool) {
		prefix, ok = strings.CutSuffix(name, anchor)
		return prefix, ok && (prefix == "" || strings.HasSuffix(prefix, "."))
	}
}

var numbered = regexp.MustCompile(`^(.*\.|)\d+\.weight$`)

// sequenceAnchor is that of a layer of an nn.Sequential.
func sequenceAnchor(name string) (prefix string, ok bool) {
	m := numbered.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// candidate is a place in a file where a network may be.
type candidate struct {
	group  *weights.Group
	prefix string
	form   form
}

// key is the way to it: "ema_model.module".
func (c candidate) key() string {
	return strings.Trim(c.group.Key+"."+strings.TrimSuffix(c.prefix, "."), ".")
}

// find returns the tensors of a network of the layout: those of the key, or the averaged ones,
// or the only ones there are.
func (l Layout) find(set *weights.Set, key string) (*found, form, error) {
	var all []candidate
	for _, g := range set.Groups {
		for _, name := range g.Names {
			for _, how := range l.forms {
				prefix, ok := how.anchor(name)
				c := candidate{g, prefix, how}
				if ok && !slices.ContainsFunc(all, func(have candidate) bool { return have.key() == c.key() }) {
					all = append(all, c)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, form{}, fmt.Errorf("it holds no network of this layout; its tensors are %s", someNames(set))
	}
	chosen, err := choose(all, key)
	if err != nil {
		return nil, form{}, err
	}
	f := chosen.take()
	if err := chosen.average(f, key); err != nil {
		return nil, form{}, err
	}
	text := "the only weights there are"
	if f.key != "" {
		text = f.key
	}
	others := keysOf(slices.DeleteFunc(all, func(c candidate) bool { return c.key() == chosen.key() }))
	if len(others) > 0 {
		text += "; there are also " + choice.List(others)
	}
	f.facts = append(f.facts, Fact{"weights", text})
	return f, chosen.form, nil
}

func keysOf(all []candidate) (keys []string) {
	for _, c := range all {
		keys = append(keys, c.key())
	}
	return keys
}

// choose returns the candidate of a key, or that of averaged weights.
func choose(all []candidate, key string) (candidate, error) {
	of := all
	switch {
	case key != "":
		of = slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
			return !strings.Contains("."+c.key()+".", "."+key+".") && !c.averaged(key)
		})
		if len(of) == 0 {
			return candidate{}, fmt.Errorf("no weights have the key %s; there are %s", choice.Quote(key),
				choice.List(keysOf(all)))
		}
	case len(all) > 1:
		of = slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
			return !strings.Contains(strings.ToLower(c.key()), "ema")
		})
	}
	if len(of) != 1 {
		return candidate{}, fmt.Errorf("it holds several networks, %s; choose one by its key", choice.List(keysOf(all)))
	}
	return of[0], nil
}

// take returns the tensors of a candidate.
func (c candidate) take() *found {
	f := &found{key: c.key(), tensors: map[string]*weights.Tensor{}}
	for _, name := range c.group.Names {
		if rest, ok := strings.CutPrefix(name, c.prefix); ok {
			f.names = append(f.names, rest)
			f.tensors[rest] = c.group.Tensor(name)
		}
	}
	return f
}

// shadow begins the names of averaged weights that are a list, in the order of the model's own:
// those of the class EMA of flow_matching.
const shadow = "shadow_params."

// averaged says whether a key is that of such a list beside the weights.
func (c candidate) averaged(key string) bool {
	base := strings.TrimSuffix(c.prefix, "model.")
	return base != c.prefix && key+"." == shadow && c.group.Tensor(base+shadow+"0") != nil
}

// average puts the averaged weights of such a list in the places of the others, unless these
// are asked for.
func (c candidate) average(f *found, key string) error {
	if !c.averaged(strings.TrimSuffix(shadow, ".")) || strings.HasSuffix("."+key, ".model") {
		return nil
	}
	if !c.group.Ordered {
		return fmt.Errorf("the averaged weights %s have no names, and the file not the order of PyTorch's; "+
			"import the file that PyTorch saved", choice.Quote(shadow))
	}
	base := strings.TrimSuffix(c.prefix, "model.")
	for i, name := range f.names {
		t := c.group.Tensor(fmt.Sprintf("%s%s%d", base, shadow, i))
		if t == nil || !slices.Equal(t.Shape, f.tensors[name].Shape) {
			return fmt.Errorf("the averaged weights %s%d are not of the shape of %s", shadow, i, choice.Quote(name))
		}
		f.tensors[name] = t
	}
	f.key = strings.Trim(c.group.Key+"."+base+strings.TrimSuffix(shadow, "."), ".")
	return nil
}

func someNames(set *weights.Set) string {
	var names []string
	for _, g := range set.Groups {
		for _, name := range g.Names {
			names = append(names, strings.Trim(g.Key+"."+name, "."))
		}
	}
	return choice.List(names)
}
