package dataset

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/manifold"
)

// onSpace writes a file and returns the section of it.
func onSpace(t *testing.T, space manifold.Config, text string) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "points.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{Path: file, Space: space, Val: new(0.0), Test: new(1.0)}
}

func TestATableOfPlacesBecomesPointsOfTheSphere(t *testing.T) {
	c := onSpace(t, manifold.Config{Name: "sphere"},
		"# quakes, from a catalogue, with commas\n# and a second line\nMagnitude,LATITUDE,Longitude\n"+
			"5,0,0\n6,90,0\n7,0,-90\n")
	c.Columns = []string{"latitude", "longitude"}
	set, err := c.Open("", 1)
	if err != nil {
		t.Fatal(err)
	}
	if set.Dim != 3 || set.Standardizer != nil || set.Space == nil || set.TrainSet.Len() != 2 ||
		strings.Join(set.Space.Columns, " ") != "LATITUDE Longitude" || strings.Join(set.Columns, "") != "xyz" {
		t.Fatalf("%+v", set)
	}
	if text := set.Describe()[0]; !strings.Contains(text, "3 points of a sphere of dimension 2") {
		t.Errorf("described as %q", text)
	}
	x, _, err := data.Rows(set.TrainSet, 0, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.N {
		if r := x.Row(i); math.Abs(r[0]*r[0]+r[1]*r[1]+r[2]*r[2]-1) > 1e-15 {
			t.Errorf("point %v", r)
		}
	}
	// Points of another file are read by the columns of the model, with lines of comment.
	other := filepath.Join(t.TempDir(), "other.csv")
	if err := os.WriteFile(other, []byte("# places\nLongitude,LATITUDE,logp\n90,0,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := c.Points(other, "", Like{Space: set.Space}, nil)
	if err != nil || p.X.N != 1 || math.Abs(p.X.X[1]-1) > 1e-15 {
		t.Errorf("read %+v, %v", p.X, err)
	}
}

func TestFaultsOfPointsOfASpaceAreNamed(t *testing.T) {
	sphere := manifold.Config{Name: "sphere"}
	for name, c := range map[string]struct {
		space manifold.Config
		text  string
		set   func(c *Config)
		want  string
	}{
		"a latitude": {sphere, "# c\nlat,lon\n1,2\n95,3\n", nil, `line 4: space: "lat" is 95 degrees`},
		"one column": {sphere, "a\n1\n2\n", nil, "and there are 1"},
		"no such column": {sphere, "a,b\n1,2\n2,3\n", func(c *Config) { c.Columns = []string{"lat", "b"} },
			`no column "lat"`},
		"a schema": {sphere, "a,b\n1,2\n2,3\n", func(c *Config) { c.Schema = "auto" }, "schema is set"},
		"a scale":  {sphere, "a,b\n1,2\n2,3\n", func(c *Config) { c.Standardize = "columns" }, "standardize is set"},
		"a box": {sphere, "a,b\n1,2\n2,3\n", func(c *Config) { c.Bounds = map[string]data.Bound{"a": {0, 1}} },
			"bounds is set"},
		"another set": {sphere, "a,b\n1,2\n2,3\n", func(c *Config) { *c = Config{Name: "moons", Space: sphere} },
			"moons is a law on R^d"},
		"a simulator": {sphere, "a,b\n1,2\n2,3\n", func(c *Config) {
			*c = Config{Simulator: "two_moons", N: 10, Space: sphere}
		}, "rows of a table"},
	} {
		cfg := onSpace(t, c.space, c.text)
		if c.set != nil {
			c.set(&cfg)
		}
		if _, err := cfg.Open("", 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	// Small angles may be radians, which is said.
	set, err := onSpace(t, manifold.Config{Name: "torus"}, "phi,psi\n1.5,-3\n0.2,6\n-1,2\n").Open("", 1)
	if err != nil || !strings.Contains(strings.Join(set.Notes, " "), "units: radians") {
		t.Errorf("notes %v, %v", set.Notes, err)
	}
}

// The law wrapped is on the space that the run file names, in columns of usual names.
func TestALawOnASpaceIsOpenedInItsColumns(t *testing.T) {
	for _, c := range []struct {
		space   manifold.Config
		columns string
		dim     int
	}{
		{manifold.Config{Name: "sphere"}, "latitude longitude", 3},
		{manifold.Config{Name: "sphere", Dim: 3}, "x1 x2 x3 x4", 4},
		{manifold.Config{Name: "sphere", Form: manifold.Vector}, "x1 x2 x3", 3},
		{manifold.Config{Name: "torus"}, "angle1 angle2", 4},
		{manifold.Config{Name: "torus", Dim: 1, Units: manifold.Radians}, "angle1", 2},
		{manifold.Config{Name: "so3"}, "w x y z", 9},
		{manifold.Config{Name: "so3", Form: manifold.Matrix}, "m11 m12 m13 m21 m22 m23 m31 m32 m33", 9},
		{manifold.Config{Name: "poincare"}, "x1 x2", 2},
		{manifold.Config{Name: "spd"}, "m11 m12 m22", 4},
		{manifold.Config{Name: "euclidean", Dim: 3}, "x1 x2 x3", 3},
		{manifold.Config{Product: []manifold.Config{{Name: "sphere"}, {Name: "torus"}}},
			"latitude_1 longitude_1 angle1_2", 5},
	} {
		set, err := Config{Name: "wrapped", Space: c.space, N: 20, Val: new(5.0), Test: new(6.0)}.Open("", 1)
		if err != nil {
			t.Errorf("%s: %v", c.space, err)
			continue
		}
		if got := strings.Join(set.Space.Columns, " "); got != c.columns || set.Dim != c.dim || set.Density == nil ||
			set.TrainSet.Len() != 20 || set.Test.Len() != 6 || len(set.Columns) != c.dim {
			t.Errorf("%s: columns %q, %+v; want %q, %d numbers", c.space, got, set, c.columns, c.dim)
		}
		if err := set.Space.Validate(); err != nil {
			t.Errorf("%s: %v", c.space, err)
		}
	}
	of := func(space string) string {
		set, err := Config{Name: "wrapped", Space: manifold.Config{Name: space}}.Open("", 1)
		if err != nil {
			t.Fatal(err)
		}
		return set.Fingerprint
	}
	if of("sphere") == of("so3") {
		t.Error("laws on two spaces have one fingerprint")
	}
}

func TestALawThatIsNotOnTheSpaceIsAnError(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Name: "wrapped"}, "set space, such as space: sphere"},
		{Config{Name: "moons", Space: manifold.Config{Name: "sphere"}}, "moons is a law on R^d"},
		{Config{Name: "wraped", Space: manifold.Config{Name: "sphere"}}, "wraped"},
		{Config{Name: "wrapped", Space: manifold.Config{Name: "sphere"}, Standardize: StandardizeColumns},
			"standardize is set"},
		{Config{Name: "wrapped", Space: manifold.Config{Name: "torus", Form: manifold.Matrix}}, "form"},
	} {
		if err := c.c.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.c, err, c.want)
		}
	}
}
