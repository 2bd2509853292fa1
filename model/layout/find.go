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
	list   *average // its averaged weights without names; nil: there are none
}

// key is the way to it: "ema_model.module".
func (c candidate) key() string {
	return strings.Trim(c.group.Key+"."+strings.TrimSuffix(c.prefix, "."), ".")
}

// candidates returns the networks of the layout in a file, by their first tensors.
func (l Layout) candidates(set *weights.Set) (all []candidate) {
	for _, g := range set.Groups {
		for _, name := range g.Names {
			for _, how := range l.forms {
				prefix, ok := how.anchor(name)
				c := candidate{group: g, prefix: prefix, form: how}
				if ok && !slices.ContainsFunc(all, func(have candidate) bool { return have.key() == c.key() }) {
					c.list = averageOf(c, set)
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// find returns the tensors of a network of the layout: those of the key, or the averaged ones,
// or the only ones there are.
func (l Layout) find(set *weights.Set, key string) (*found, form, error) {
	all := l.candidates(set)
	if len(all) == 0 {
		return nil, form{}, fmt.Errorf("it holds no network of this layout; its tensors are %s%s", someNames(set),
			l.elsewhere(set))
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

// elsewhere says of which other layouts a file may be.
func (l Layout) elsewhere(set *weights.Set) string {
	var names []string
	for _, other := range All() {
		if other.Name == l.Name {
			continue
		}
		if all := other.candidates(set); len(all) > 0 && (len(all) == 1 || other.Name != "sequential") {
			names = append(names, other.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; they may be of " + choice.List(names)
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
			return !leadsTo(key, c.key()) && (c.list == nil || !leadsTo(key, c.list.key))
		})
		if len(of) == 0 {
			return candidate{}, asked{fmt.Errorf("no weights have the key %s; there are %s", choice.Quote(key),
				choice.List(keysOf(all)))}
		}
	case len(all) > 1:
		of = slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return !c.averaged() })
		if len(of) == 0 { // Lightning's WeightAveraging puts the average into the place of the weights
			of = slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
				return leadsTo("current_model_state", c.key())
			})
		}
	}
	if len(of) != 1 {
		return candidate{}, asked{fmt.Errorf("it holds several networks, %s; choose one by its key",
			choice.List(keysOf(all)))}
	}
	return of[0], nil
}

// averaged says whether its name is that of averaged weights.
func (c candidate) averaged() bool { return strings.Contains(strings.ToLower(c.key()), "ema") }

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

// shadow is how averaged weights are called that are a list, in the order of the model's own: those of
// the class EMA of flow_matching, beside its model, and of the packages torch_ema and diffusers, in a
// dictionary of their own.
const shadow = "shadow_params"

// average is averaged weights as a list.
type average struct {
	key     string // the way to it
	ordered bool   // the weights have the order in which they were saved
	at      func(i int) *weights.Tensor
}

// averageOf returns the list of averaged weights that a candidate has; nil: there is none.
func averageOf(c candidate, set *weights.Set) *average {
	inside := strings.TrimSuffix(c.prefix, "model.") + shadow
	if inside != c.prefix+shadow && c.group.Tensor(inside+".0") != nil {
		key := strings.Trim(c.group.Key+"."+inside, ".")
		return &average{key, c.group.Ordered, func(i int) *weights.Tensor {
			return c.group.Tensor(fmt.Sprintf("%s.%d", inside, i))
		}}
	}
	for _, g := range set.Groups {
		if g.Tensor("0") != nil && (g.Key == shadow || strings.HasSuffix(g.Key, "."+shadow)) {
			return &average{g.Key, c.group.Ordered, func(i int) *weights.Tensor { return g.Tensor(fmt.Sprint(i)) }}
		}
	}
	return nil
}

// leadsTo says whether a key is a part of the way to a place in a file.
func leadsTo(key, place string) bool { return strings.Contains("."+place+".", "."+key+".") }

// average puts the averaged weights of a list in the places of the others, unless these are asked for,
// or are averaged themselves.
func (c candidate) average(f *found, key string) error {
	list := c.list
	if list == nil || c.averaged() || key != "" && leadsTo(key, c.key()) {
		return nil
	}
	others := fmt.Sprintf("the key %s takes the others", c.key())
	if !list.ordered {
		return fmt.Errorf("the averaged weights %s have no names, and the file not the order of PyTorch's; "+
			"import the file that PyTorch saved", choice.Quote(shadow))
	}
	for i, name := range f.names {
		t := list.at(i)
		if t == nil || !slices.Equal(t.Shape, f.tensors[name].Shape) {
			return asked{fmt.Errorf("the averaged weights %s.%d are not of the shape of %s; %s", list.key, i,
				choice.Quote(name), others)}
		}
		f.tensors[name] = t
	}
	if list.at(len(f.names)) != nil {
		return asked{fmt.Errorf("there are more than the %d averaged weights %s that the network has; %s", len(f.names),
			list.key, others)}
	}
	f.key = list.key
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
