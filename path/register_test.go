package path_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"

	"flowmatch/path"
)

// squared is α = t², σ = 1 − t², or with another power.
func squared(c path.Config) (path.Scheduler, error) {
	n := 2.0
	for name, v := range c.Params {
		if name != "rate" {
			return nil, fmt.Errorf("params: unknown setting %q; it may be rate", name)
		}
		n = v
	}
	return path.Poly{N: n}, nil
}

// register registers a schedule for a test alone.
func register(t *testing.T, name string, build func(path.Config) (path.Scheduler, error)) {
	t.Helper()
	if err := path.Register(name, build); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() { path.Forget(name) })
}

func TestRegisteredSchedulesAreMadeByConfig(t *testing.T) {
	before := path.Names()
	register(t, "test squared", squared)
	if got, want := path.Names(), append(before, "test squared"); !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
	s, err := path.ByName("test squared")
	if err != nil || s != path.Scheduler(path.Poly{N: 2}) {
		t.Errorf("by name: %v, %v", s, err)
	}
	c := path.Config{Name: "test squared", Params: map[string]float64{"rate": 3}}
	if s, err = c.New(); err != nil || s != path.Scheduler(path.Poly{N: 3}) {
		t.Errorf("with a setting: %v, %v", s, err)
	}
	text, err := yaml.Marshal(c)
	if err != nil || string(text) != "name: test squared\nparams:\n  rate: 3.0\n" {
		t.Errorf("as YAML: %q, %v", text, err)
	}
	var back path.Config
	if err := yaml.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("back from YAML: %+v, %v", back, err)
	}
	if text, err = json.Marshal(c); err != nil || string(text) != `{"name":"test squared","params":{"rate":3}}` {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

func TestRegisterRefusesWhatCannotBe(t *testing.T) {
	register(t, "test taken", squared)
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"no name", path.Register("", squared), "needs a name"},
		{"a blank name", path.Register(" ", squared), "needs a name"},
		{"no function", path.Register("test nil", nil), `"test nil" has no function`},
		{"a name of this package", path.Register("condot", squared), `"condot" is that of a schedule of this package`},
		{"a name twice", path.Register("test taken", squared), `"test taken" is taken`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", c.name, c.err, c.want)
		}
	}
}

func TestConfigRefusesWhatARegisteredScheduleCannotBe(t *testing.T) {
	backward := path.Func{Fn: func(t float64) path.Coef {
		return path.Coef{Alpha: 1 - t, Sigma: t, DAlpha: -1, DSigma: 1}
	}}
	failing := errors.New("no such file")
	for name, build := range map[string]func(path.Config) (path.Scheduler, error){
		"test settings": squared,
		"test nothing":  func(path.Config) (path.Scheduler, error) { return nil, nil },
		"test failing":  func(path.Config) (path.Scheduler, error) { return nil, failing },
		"test backward": func(path.Config) (path.Scheduler, error) { return backward, nil },
	} {
		register(t, name, build)
	}
	for _, c := range []struct {
		c    path.Config
		want string
	}{
		{path.Config{Name: "test settings", Params: map[string]float64{"m": 3}},
			`path: schedule test settings: params: unknown setting "m"`},
		{path.Config{Name: "test settings", Power: new(3.0)},
			"path: power = 3: schedule test settings does not use it: " +
				"the settings of a registered schedule are params"},
		{path.Config{Name: "test setings"},
			`path: unknown schedule "test setings"; did you mean "test settings"? it must be one of condot`},
		{path.Config{Name: "test nothing"}, "path: schedule test nothing: what was registered made none"},
		{path.Config{Name: "test failing"}, "path: schedule test failing: no such file"},
		{path.Config{Name: "test backward"}, "path: schedule test backward: path: not a schedule"},
		{path.Config{Name: "vp", Params: map[string]float64{"rate": 3}}, "path: params: schedule vp does not use them"},
		{path.Config{Params: map[string]float64{"rate": 3}}, "path: params: schedule condot does not use them"},
	} {
		if err := c.c.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.c, err, c.want)
		}
	}
	if err := (path.Config{Name: "test failing"}).Validate(); !errors.Is(err, failing) {
		t.Errorf("the error of the schedule is lost: %v", err)
	}
}

func TestRegisterIsSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("test concurrent %d", i)
			register(t, name, squared)
			if _, err := path.ByName(name); err != nil {
				t.Error(err)
			}
			path.Names()
		})
	}
	wg.Wait()
}

func ExampleRegister() {
	defer path.Forget("sine") // a program has no use for this: the test may run again
	// α = sin²(πt/2), σ = 1 − α, with a setting of its own: the noise that is left at t=1.
	err := path.Register("sine", func(c path.Config) (path.Scheduler, error) {
		left := 0.0
		for name, v := range c.Params {
			if name != "left" || !(v >= 0 && v < 1) {
				return nil, fmt.Errorf("params: %s = %g; it may be left, in [0, 1)", name, v)
			}
			left = v
		}
		return path.Func{Fn: func(t float64) path.Coef {
			sin, cos := math.Sincos(0.5 * math.Pi * t)
			slope := math.Pi * sin * cos
			return path.Coef{Alpha: sin * sin, Sigma: cos*cos + left*sin*sin, DAlpha: slope, DSigma: (left - 1) * slope}
		}}, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// From now on run files and checkpoints know it: path: {name: sine, params: {left: 0.1}}.
	s, err := path.Config{Name: "sine", Params: map[string]float64{"left": 0.1}}.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	c := s.At(0.5)
	fmt.Printf("x_t = %.2f x1 + %.2f x0\n", c.Alpha, c.Sigma)
	fmt.Println(path.Config{Name: "sine", Params: map[string]float64{"left": 2}}.Validate())
	// Output:
	// x_t = 0.50 x1 + 0.55 x0
	// path: schedule sine: params: left = 2; it may be left, in [0, 1)
}
