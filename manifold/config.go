package manifold

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/internal/choice"
)

// Config is the `space:` section of a run file: a name alone, such as sphere, or a section of
// its own, such as {product: [sphere, {name: euclidean, dim: 2}]}. The zero Config is flat.
type Config struct {
	// Name is one of [Names]; empty beside Product.
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
	// Dim is the dimension, of spd the order of the matrices; default 2, of torus, poincare and
	// euclidean the number of the columns or, in a product, 1, 2 and 1.
	Dim int `yaml:"dim,omitempty" json:"dim,omitempty"`
	// Form says what the columns of a file are, one of [Forms]; default what their number says.
	Form string `yaml:"form,omitempty" json:"form,omitempty"`
	// Units are those of the angles in a file: degrees (default) or radians.
	Units string `yaml:"units,omitempty" json:"units,omitempty"`
	// Source is where the flow starts from: uniform, the default where the volume is finite, or
	// normal, the wrapped normal distribution about the origin.
	Source string `yaml:"source,omitempty" json:"source,omitempty"`
	// Std is the standard deviation of the source normal; default 1.
	Std float64 `yaml:"std,omitempty" json:"std,omitempty"`
	// Product is the factors of a product.
	Product []Config `yaml:"product,omitempty" json:"product,omitempty"`
}

// The forms of the columns of a file.
const (
	LatLon     = "latlon"     // latitude and longitude, of a sphere of dimension 2
	Vector     = "vector"     // a unit vector, a point of the ball, or numbers
	Angles     = "angles"     // one column for each angle of a torus
	Quaternion = "quaternion" // a rotation: w, x, y, z, unless the names of the columns say otherwise
	Matrix     = "matrix"     // row after row
	Triangle   = "triangle"   // the upper triangle of a symmetric matrix, row after row
)

// The units of angles and the sources.
const (
	Degrees, Radians            = "degrees", "radians"
	SourceUniform, SourceNormal = "uniform", "normal"
)

// kind is what there is to know of the spaces of a name.
type kind struct {
	name  string
	forms []string // that files may have; the first is that of a factor
	dim   int      // of a factor
	// fixed: the number of columns does not say the dimension.
	fixed  bool
	least  int // dimension; 0: none can be set
	make   func(dim int) Manifold
	angles []string // the forms that have units
}

// kinds is the table of the spaces that a run file can name.
func kinds() []kind {
	return []kind{
		{name: "sphere", forms: []string{LatLon, Vector}, dim: 2, fixed: true, least: 2,
			make: func(d int) Manifold { return Sphere{d} }, angles: []string{LatLon}},
		{name: "torus", forms: []string{Angles}, dim: 1, least: 1, make: func(d int) Manifold { return Torus{d} },
			angles: []string{Angles}},
		{name: "so3", forms: []string{Quaternion, Matrix}, dim: 3, fixed: true,
			make: func(int) Manifold { return SO3{} }},
		{name: "poincare", forms: []string{Vector}, dim: 2, least: 1,
			make: func(d int) Manifold { return Poincare{d} }},
		{name: "spd", forms: []string{Triangle, Matrix}, dim: 2, fixed: true, least: 1,
			make: func(d int) Manifold { return SPD{d} }},
		{name: "euclidean", forms: []string{Vector}, dim: 1, least: 1,
			make: func(d int) Manifold { return Euclidean{d} }},
	}
}

// Names returns the names that [Config] knows.
func Names() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Forms returns the values of Config.Form.
func Forms() []string { return []string{LatLon, Vector, Angles, Quaternion, Matrix, Triangle} }

func kindOf(name string) (kind, error) {
	for _, k := range kinds() {
		if k.name == name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("space: %w", choice.Check("name", name, Names()))
}

// section is Config without its methods.
type section Config

// UnmarshalYAML reads a name or a section.
func (c *Config) UnmarshalYAML(read func(any) error) error {
	var value any
	if err := read(&value); err != nil {
		return err
	}
	*c = Config{}
	if _, ok := value.(map[string]any); ok {
		return read((*section)(c))
	}
	return read(&c.Name)
}

// MarshalYAML writes what UnmarshalYAML reads.
func (c Config) MarshalYAML() (any, error) {
	if c.plain() {
		return c.Name, nil
	}
	return section(c), nil
}

// plain says whether a name is all there is.
func (c Config) plain() bool {
	return c.Dim == 0 && c.Form == "" && c.Units == "" && c.Source == "" && c.Std == 0 && c.Product == nil
}

// Flat says whether c is the zero Config: R^d as it always was.
func (c Config) Flat() bool { return c.Name == "" && c.plain() }

// String names c as an error does: "sphere", or "product of sphere and euclidean".
func (c Config) String() string {
	if len(c.Product) == 0 {
		return c.Name
	}
	names := make([]string, len(c.Product))
	for i, f := range c.Product {
		names[i] = f.String()
	}
	return "product of " + strings.Join(names, ", ")
}

// Validate reports the first field that cannot be used, and what would be right.
func (c Config) Validate() error {
	if c.Flat() {
		return nil
	}
	if len(c.Product) > 0 {
		return c.validateProduct()
	}
	if c.Product != nil {
		return errors.New("space: product is empty; list its factors, such as [sphere, euclidean]")
	}
	if c.Name == "" {
		return fmt.Errorf("space: there is no name; it must be one of %s, or a product of these", choice.List(Names()))
	}
	k, err := kindOf(c.Name)
	if err != nil {
		return err
	}
	return cmp.Or(c.validateDim(k), c.validateForm(k), c.validateSource(k))
}

func (c Config) validateProduct() error {
	for _, f := range []struct {
		key string
		set bool
	}{{"name", c.Name != ""}, {"dim", c.Dim != 0}, {"form", c.Form != ""}, {"units", c.Units != ""},
		{"source", c.Source != ""}, {"std", c.Std != 0}} {
		if f.set {
			return fmt.Errorf("space: %s is set beside product, whose factors have their own: set it in these", f.key)
		}
	}
	if len(c.Product) < 2 {
		return errors.New("space: a product of one factor is that factor; leave product out")
	}
	for i, f := range c.Product {
		if len(f.Product) > 0 {
			return fmt.Errorf("space: product[%d] is a product again; list its factors in the product itself", i)
		}
		if f.Flat() {
			return fmt.Errorf("space: product[%d] is empty; name it one of %s", i, choice.List(Names()))
		}
		if err := f.Validate(); err != nil {
			return fmt.Errorf("product[%d]: %w", i, err)
		}
	}
	return nil
}

func (c Config) validateDim(k kind) error {
	switch {
	case c.Dim == 0:
	case k.least == 0:
		return fmt.Errorf("space: dim is set, but %s has one dimension, %d; leave it out", c.Name, k.dim)
	case c.Dim == 1 && c.Name == "sphere":
		return errors.New("space: dim is 1; a circle is a torus of one angle: use torus")
	case c.Dim < k.least:
		return fmt.Errorf("space: dim is %d; of %s it must be at least %d", c.Dim, c.Name, k.least)
	}
	return nil
}

func (c Config) validateForm(k kind) error {
	if c.Form != "" {
		if err := choice.Check("form", c.Form, k.forms); err != nil {
			return fmt.Errorf("space: of %s, %w", c.Name, err)
		}
	}
	if c.Form == LatLon && c.Dim > 2 {
		return fmt.Errorf("space: form is latlon, which is for dimension 2, and dim is %d: use vector", c.Dim)
	}
	if c.Units == "" {
		return nil
	}
	if err := choice.Check("units", c.Units, []string{Degrees, Radians}); err != nil {
		return fmt.Errorf("space: %w", err)
	}
	if len(k.angles) == 0 || c.Form != "" && !slices.Contains(k.angles, c.Form) {
		return fmt.Errorf("space: units is set, but the columns of %s are no angles; leave it out", c)
	}
	return nil
}

func (c Config) validateSource(k kind) error {
	if c.Source != "" {
		if err := choice.Check("source", c.Source, []string{SourceUniform, SourceNormal}); err != nil {
			return fmt.Errorf("space: %w", err)
		}
	}
	_, finite := CompactOf(k.make(max(k.least, k.dim)))
	switch {
	case c.Source == SourceUniform && !finite:
		return fmt.Errorf("space: source is uniform, but the volume of %s is not finite; use normal", c.Name)
	case c.Std != 0 && (c.Source == SourceUniform || c.Source == "" && finite):
		return fmt.Errorf("space: std is set, but the source is uniform; leave it out, or set source: normal")
	case !(c.Std >= 0) || math.IsInf(c.Std, 0):
		return fmt.Errorf("space: std is %g; it must be a number above 0", c.Std)
	}
	return nil
}

// law returns the source on a manifold of c.
func (c Config) law(m Manifold) Law {
	if k, ok := CompactOf(m); ok && c.Source != SourceNormal {
		return Uniform{k}
	}
	origin := make([]float64, m.Ambient())
	m.Origin(origin)
	return NewNormal(m, origin, cmp.Or(c.Std, 1))
}
