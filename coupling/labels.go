package coupling

import "fmt"

// labelled is the optional upgrade of a Coupling that may need the class of each row.
type labelled interface{ needsLabels() bool }

// NeedsLabels reports whether a coupling transports within classes, so that Match needs
// labels.
func NeedsLabels(c Coupling) bool {
	l, ok := c.(labelled)
	return ok && l.needsLabels()
}

func (o OT) needsLabels() bool       { return o.LabelAware }
func (s Sinkhorn) needsLabels() bool { return s.LabelAware }
func (g Groups) needsLabels() bool   { return NeedsLabels(g.Coupling) }

// String returns the name, as [Config] knows it.
func (Independent) String() string { return "independent" }

// String returns the name, as [Config] knows it.
func (OT) String() string { return "ot" }

// String returns the name, as [Config] knows it.
func (Sinkhorn) String() string { return "sinkhorn" }

// String returns the name of the coupling of each group.
func (g Groups) String() string { return fmt.Sprint(g.Coupling) }
