package manifold

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Space is a state space as a model keeps it: the manifold, the source, and how points stand in
// the columns of a file. The names of its fields in JSON are those of checkpoints.
type Space struct {
	// Config has every field filled in that its kind has.
	Config
	// Columns are the names of the columns of a file.
	Columns []string `json:"columns"`
}

// Resolve returns the Space of points in columns of these names.
func (c Config) Resolve(columns []string) (*Space, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Flat() {
		return nil, errors.New("space: it is flat, and has no columns of its own")
	}
	s := &Space{Config: c, Columns: slices.Clone(columns)}
	if len(c.Product) == 0 {
		var err error
		s.Config, err = c.resolve(columns)
		return s, err
	}
	s.Product = slices.Clone(c.Product)
	var widths []string
	at := 0
	for i, f := range s.Product {
		k, err := kindOf(f.Name)
		if err != nil {
			return nil, err
		}
		if k.least > 0 {
			f.Dim = cmp.Or(f.Dim, k.dim)
		}
		if f.Form = cmp.Or(f.Form, k.forms[0]); f.Name == "sphere" && f.Dim != 2 {
			f.Form = Vector
		}
		width := f.width()
		widths = append(widths, fmt.Sprintf("%d of %s", width, f.Name))
		if at+width <= len(columns) {
			if s.Product[i], err = f.resolve(columns[at : at+width]); err != nil {
				return nil, err
			}
		}
		at += width
	}
	if at != len(columns) {
		return nil, fmt.Errorf("space: %d columns (%s) for a product that has %d: %s; name those to learn in "+
			"data.columns, in this order, or set dim or form of a factor", len(columns), choice.List(columns), at,
			strings.Join(widths, ", "))
	}
	return s, nil
}

// Whole returns the Space of points that come from no file: in columns of usual names, of which a torus, a ball and R^d
// have two where dim is not set and there is no product.
func (c Config) Whole() (*Space, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	parts := c.Product
	if len(parts) == 0 {
		parts = []Config{c}
	}
	var names []string
	for i, f := range parts {
		k, err := kindOf(f.Name)
		if err != nil {
			return nil, err
		}
		if f.Form = cmp.Or(f.Form, k.forms[0]); f.Name == "sphere" && cmp.Or(f.Dim, 2) != 2 {
			f.Form = Vector
		}
		if f.Dim = cmp.Or(f.Dim, k.dim); len(c.Product) == 0 {
			f.Dim = max(f.Dim, cmp.Or(c.Dim, 2))
		}
		for _, name := range f.usual() {
			if len(c.Product) > 0 {
				name = fmt.Sprintf("%s_%d", name, i+1)
			}
			names = append(names, name)
		}
	}
	return c.Resolve(names)
}

// usual are the names of the columns of a form. c has a form and a dimension.
func (c Config) usual() (names []string) {
	switch n := cmp.Or(c.Dim, 3); {
	case c.Form == LatLon:
		return []string{"latitude", "longitude"}
	case c.Form == Quaternion:
		return []string{"w", "x", "y", "z"}
	case c.Form == Matrix || c.Form == Triangle:
		for i := range n {
			for j := range n {
				if c.Form == Matrix || j >= i {
					names = append(names, fmt.Sprintf("m%d%d", i+1, j+1))
				}
			}
		}
		return names
	}
	what := "x"
	if c.Form == Angles {
		what = "angle"
	}
	for i := range c.width() {
		names = append(names, fmt.Sprintf("%s%d", what, i+1))
	}
	return names
}

// width is how many columns a point has.
func (c Config) width() int {
	switch c.Form {
	case LatLon:
		return 2
	case Quaternion:
		return 4
	case Matrix:
		if c.Name == "so3" {
			return 9
		}
		return c.Dim * c.Dim
	case Triangle:
		return c.Dim * (c.Dim + 1) / 2
	case Vector:
		if c.Name == "sphere" {
			return c.Dim + 1
		}
	}
	return c.Dim
}

// resolve fills in what the columns say.
func (c Config) resolve(columns []string) (Config, error) {
	k, err := kindOf(c.Name)
	if err != nil {
		return c, err
	}
	n := len(columns)
	forms := k.forms
	if c.Form != "" {
		forms = []string{c.Form}
	}
	dim := c.Dim
	if !k.fixed {
		c.Dim = cmp.Or(c.Dim, n)
	}
	def := k.dim
	if k.least == 0 {
		def = 0
	}
	var wants []string
	fit := -1
	try := c
	for i, form := range forms {
		try.Form, try.Dim = form, cmp.Or(c.Dim, def)
		switch {
		case dim == 0 && c.Name == "spd":
			try.Dim = order(form, n)
		case dim == 0 && c.Name == "sphere" && form == Vector:
			try.Dim = max(2, n-1)
		case form == LatLon && try.Dim != 2:
			continue
		}
		if try.width() == n && fit < 0 {
			fit, c = i, try
		}
		wants = append(wants, fmt.Sprintf("%d (%s)", try.width(), form))
	}
	if fit < 0 {
		return c, fmt.Errorf("space: points of %s have as many columns as %s, and there are %d (%s); name those to "+
			"learn in data.columns", c.Name, strings.Join(wants, " or "), n, choice.List(columns))
	}
	if slices.Contains(k.angles, c.Form) {
		c.Units = cmp.Or(c.Units, Degrees)
	} else if c.Units != "" {
		return c, fmt.Errorf("space: units is set, but %d columns of %s are no angles (%s); leave it out", n, c.Name,
			c.Form)
	}
	_, finite := CompactOf(k.make(c.Dim))
	if c.Source == "" {
		c.Source = SourceNormal
		if finite {
			c.Source = SourceUniform
		}
	}
	if c.Source == SourceNormal {
		c.Std = cmp.Or(c.Std, 1)
	}
	return c, nil
}

// order is that of the matrices of n numbers, or the next.
func order(form string, n int) int {
	for k := 1; ; k++ {
		if w := (Config{Name: "spd", Form: form, Dim: k}).width(); w >= n {
			return k
		}
	}
}

// factors returns the parts, one where there is no product.
func (s *Space) factors() []Config {
	if len(s.Product) > 0 {
		return s.Product
	}
	return []Config{s.Config}
}

// Validate reports a Space that Resolve does not make.
func (s *Space) Validate() error {
	again, err := s.Config.Resolve(s.Columns)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(again.factors(), s.factors(), func(a, b Config) bool {
		return a.Name == b.Name && a.Dim == b.Dim && a.Form == b.Form && a.Units == b.Units && a.Source == b.Source &&
			a.Std == b.Std
	}) {
		return fmt.Errorf("space: %s is not complete, or not of its columns, %s", s, choice.List(s.Columns))
	}
	return nil
}

// Manifold returns the manifold.
func (s *Space) Manifold() Manifold {
	var all Product
	for _, f := range s.factors() {
		k, err := kindOf(f.Name)
		if err != nil {
			return nil // which Validate reports
		}
		all = append(all, k.make(f.Dim))
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// Law returns the source.
func (s *Space) Law() Law {
	var all Factors
	for _, f := range s.factors() {
		k, err := kindOf(f.Name)
		if err != nil {
			return nil
		}
		all = append(all, f.law(k.make(f.Dim)))
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// Coordinates returns the names of the D numbers of a point.
func (s *Space) Coordinates() (names []string) {
	at := 0
	several := len(s.Product) > 0
	for i, f := range s.factors() {
		columns := s.Columns[at : at+f.width()]
		at += f.width()
		own := f.coordinates(columns)
		for _, name := range own {
			if several && !slices.Contains(columns, name) {
				name = fmt.Sprintf("%s of factor %d", name, i+1)
			}
			names = append(names, name)
		}
	}
	return names
}

func (c Config) coordinates(columns []string) (names []string) {
	switch c.Form {
	case LatLon:
		return []string{"x", "y", "z"}
	case Angles:
		for _, name := range columns {
			names = append(names, "cos "+name, "sin "+name)
		}
		return names
	case Vector:
		return columns
	}
	n := cmp.Or(c.Dim, 3) // of rotations
	for i := range n {
		for j := range n {
			names = append(names, fmt.Sprintf("m%d%d", i+1, j+1))
		}
	}
	return names
}

// Points returns rows in columns [N, C] as points [N, D]. The error names the row, which where
// says the place of in the file; nil: its number.
func (s *Space) Points(rows flow.Batch, where func(row int) string) (flow.Batch, error) {
	m := s.Manifold()
	points := flow.NewBatch(rows.N, m.Ambient())
	if rows.D != len(s.Columns) {
		return points, fmt.Errorf("space: rows of %d numbers for %d columns", rows.D, len(s.Columns))
	}
	if where == nil {
		where = func(row int) string { return fmt.Sprintf("row %d", row+1) }
	}
	for i := range rows.N {
		row, x := rows.Row(i), points.Row(i)
		for _, f := range s.factors() {
			k, err := kindOf(f.Name)
			if err != nil {
				return points, err
			}
			m, w := k.make(f.Dim), f.width()
			names := s.Columns[len(s.Columns)-len(row):][:w]
			if err := f.point(m, x[:m.Ambient()], row[:w], names); err != nil {
				return points, fmt.Errorf("%s: %w", where(i), err)
			}
			x, row = x[m.Ambient():], row[w:]
		}
	}
	return points, nil
}

// point writes the point of a row into x.
func (c Config) point(m Manifold, x, row []float64, names []string) error {
	if !finite(row) {
		return fmt.Errorf("space: a number of %v is not finite", row)
	}
	switch c.Form {
	case LatLon:
		return c.latLon(x, row, names)
	case Angles:
		for k, v := range row {
			x[2*k+1], x[2*k] = math.Sincos(v * c.unit())
		}
		return nil
	case Quaternion:
		n := math.Sqrt(dot(row, row))
		if !(math.Abs(n-1) <= near) {
			return fmt.Errorf("space: a quaternion of length %g; want 1", n)
		}
		q := c.quaternion(names)
		rotation(x, row[q[0]]/n, vec3{row[q[1]] / n, row[q[2]] / n, row[q[3]] / n})
		return nil
	case Triangle:
		at := 0
		for i := range c.Dim {
			for j := i; j < c.Dim; j++ {
				x[i*c.Dim+j], x[j*c.Dim+i] = row[at], row[at]
				at++
			}
		}
	default:
		copy(x, row)
	}
	if err := m.Check(x); err != nil {
		return err
	}
	return m.Project(x)
}

// unit is one of the units of angles, in radians.
func (c Config) unit() float64 {
	if c.Units == Radians {
		return 1
	}
	return math.Pi / 180
}

// latitude returns the places of latitude and longitude: the names may say them.
func (c Config) latitude(names []string) (lat, lon int) {
	begins := func(name, with string) bool { return strings.HasPrefix(strings.ToLower(name), with) }
	if begins(names[0], "lon") || begins(names[0], "lng") || begins(names[1], "lat") {
		return 1, 0
	}
	return 0, 1
}

func (c Config) latLon(x, row []float64, names []string) error {
	i, j := c.latitude(names)
	lat, lon := row[i]*c.unit(), row[j]*c.unit()
	if most := math.Pi / 2 * (1 + 1e-12); math.Abs(lat) > most {
		return fmt.Errorf("space: %s is %g %s; a latitude is within %g", choice.Quote(names[i]), row[i],
			cmp.Or(c.Units, Degrees), math.Pi/2/c.unit())
	}
	if math.Abs(lon) > 2*math.Pi*(1+1e-12) {
		return fmt.Errorf("space: %s is %g %s; a longitude is within a turn, %g", choice.Quote(names[j]), row[j],
			cmp.Or(c.Units, Degrees), 2*math.Pi/c.unit())
	}
	sin, cos := math.Sincos(lat)
	y, z := math.Sincos(lon)
	x[0], x[1], x[2] = cos*z, cos*y, sin
	return nil
}

// quaternion returns the places of w, x, y and z: the first column is w, unless the last is called
// so.
func (c Config) quaternion(names []string) [4]int {
	if strings.HasSuffix(strings.ToLower(names[3]), "w") {
		return [4]int{3, 0, 1, 2}
	}
	return [4]int{0, 1, 2, 3}
}

// Rows returns points [N, D] as rows in columns [N, C], as Points reads them.
func (s *Space) Rows(points flow.Batch) flow.Batch {
	rows := flow.NewBatch(points.N, len(s.Columns))
	for i := range points.N {
		x, row, names := points.Row(i), rows.Row(i), s.Columns
		for _, f := range s.factors() {
			k, err := kindOf(f.Name)
			if err != nil {
				return rows
			}
			d, w := k.make(f.Dim).Ambient(), f.width()
			f.row(row[:w], x[:d], names[:w])
			x, row, names = x[d:], row[w:], names[w:]
		}
	}
	return rows
}

func (c Config) row(row, x []float64, names []string) {
	switch c.Form {
	case LatLon:
		i, j := c.latitude(names)
		row[i] = math.Atan2(x[2], math.Hypot(x[0], x[1])) / c.unit()
		row[j] = math.Atan2(x[1], x[0]) / c.unit()
	case Angles:
		for k := range row {
			row[k] = math.Atan2(x[2*k+1], x[2*k]) / c.unit()
		}
	case Quaternion:
		w, u := quaternion(x)
		for k, at := range c.quaternion(names) {
			row[at] = [4]float64{w, u[0], u[1], u[2]}[k]
		}
	case Triangle:
		at := 0
		for i := range c.Dim {
			for j := i; j < c.Dim; j++ {
				row[at] = x[i*c.Dim+j]
				at++
			}
		}
	default:
		copy(row, x)
	}
}
