package report

import (
	"fmt"
	"math"
	"strings"

	"flowmatch/eval"
	"flowmatch/internal/choice"
	"flowmatch/model"
)

// Line is a figure or a remark with its name.
type Line struct {
	Name, Value string
	// Under says that it belongs to the last line above that does not.
	Under bool
	// Doubt says that it is a reason not to trust what it is under, what would help, or a warning.
	Doubt bool
}

// Section is the lines of one part of an evaluation.
type Section struct {
	Part  string // one of eval.Parts; empty: what the evaluation is of
	Lines []Line
	// Missing says why something of the part was not measured; empty: all was.
	Missing string
}

// lines are made one by one.
type lines []Line

func (l *lines) head(name, format string, args ...any) {
	*l = append(*l, Line{Name: name, Value: fmt.Sprintf(format, args...)})
}

func (l *lines) add(name, format string, args ...any) {
	*l = append(*l, Line{Name: name, Value: fmt.Sprintf(format, args...), Under: true})
}

func (l *lines) doubts(name string, reasons []string) {
	for _, why := range reasons {
		*l = append(*l, Line{Name: name, Value: why, Under: true, Doubt: true})
	}
}

// untrusted is the name of a doubt.
const untrusted = "not to be trusted"

// Sections returns what an evaluation is of, and its parts in the order of eval.Parts: those of which anything is
// known, or why it is not.
func Sections(r eval.Report) []Section {
	all := []Section{{Lines: about(r)}}
	for _, part := range eval.Parts() {
		s := Section{Part: part, Lines: partLines(r, part), Missing: r.Missing[part]}
		if s.Lines != nil || s.Missing != "" {
			all = append(all, s)
		}
	}
	return all
}

// about are the lines of what an evaluation is of.
func about(r eval.Report) []Line {
	var l lines
	l.head("run", "%s, step %d", r.Run, r.Step)
	l.head("data", "%s", r.Data)
	if r.OfLatents {
		l.head("points", "latents of images: all figures are of latents, and not of images")
	}
	l.head("solver", "%s", r.Solver)
	if c := r.Condition; c != nil {
		l.head("condition", "%s: densities are of images given it", c)
	}
	l.head("seed", "%d", r.Seed)
	l.head("backend", "%s", r.Backend)
	for _, warning := range r.Warnings {
		l = append(l, Line{Name: "warning", Value: warning, Doubt: true})
	}
	return l
}

// partLines are the lines of a part; nil: nothing was measured of it.
func partLines(r eval.Report, part string) []Line {
	switch {
	case part == eval.PartLikelihood && r.Likelihood != nil:
		return Likelihood(r.Likelihood)
	case part == eval.PartSamples && r.Samples != nil:
		return quality(r.Samples)
	case part == eval.PartC2ST && r.C2ST != nil:
		return twoSample("C2ST", "points", r.C2ST)
	case part == eval.PartMarginals && r.Marginals != nil:
		return marginals(r.Marginals)
	case part == eval.PartCorrelations && r.Correlations != nil:
		return correlations(r.Correlations)
	case part == eval.PartForest && r.Forest != nil:
		return twoSample("C2ST, random forest", "rows", &r.Forest.C2ST)
	case part == eval.PartClosest && r.Closest != nil:
		return closest(r.Closest)
	case part == eval.PartEfficacy && r.Efficacy != nil:
		return efficacy(r.Efficacy)
	case part == eval.PartCalibration && r.Calibration != nil:
		return calibration(r.Calibration)
	case part == eval.PartFeatures && r.Features != nil:
		return features(r.Features)
	}
	return nil
}

func twoSample(name, of string, c *eval.C2ST) (l lines) {
	l.head(name, "%.4f ± %.4f, %d samples against %d held-out %s (%.4g: not told apart), NFE %d", c.Accuracy, c.StdErr,
		c.Points, c.Reference, of, c.Chance, c.NFE)
	l.doubts(untrusted, c.Doubts)
	return l
}

func quality(q *eval.Quality) (l lines) {
	nfe := ""
	if q.NFE > 0 {
		nfe = fmt.Sprintf(", NFE %d", q.NFE)
	}
	l.head("samples", "%d against as many held-out points%s", q.Points, nfe)
	l.chosen(q.Chosen)
	if q.Distances != nil {
		unit := ", in the units of the data"
		switch q.Unit {
		case eval.UnitModel:
			unit = ", in standard deviations of the columns, after their transforms"
		case eval.UnitSpace:
			unit = ", by chords in the space around"
		}
		l.add("W2", "%s%s", known(q.W2), unit)
		l.add("sliced W2", "%s%s", known(q.SlicedW2), unit)
		l.add("MMD", "%s", known(q.MMD))
	}
	if q.Paths != nil {
		l.add("path energy", "%s", Decimals(q.PathEnergy))
		l.add("NPE", "%s", known(q.NPE))
		l.add("straightness", "%s", Decimals(q.Straightness))
	}
	l.doubts(untrusted, q.Doubts)
	if p := q.Restoration; p != nil {
		l.head("restoration", "%d images against their originals", p.Images)
		l.add("PSNR", "%.2f dB (input: %.2f dB)", p.PSNR, p.InputPSNR)
		if p.SSIM != nil && p.InputSSIM != nil {
			l.add("SSIM", "%.4f (input: %.4f)", *p.SSIM, *p.InputSSIM)
		}
		if p.Consistency != nil {
			l.add("consistency", "%.2f dB, of the samples after reduction, against their inputs", *p.Consistency)
		}
	}
	return l
}

// Likelihood says a likelihood, and whether it is to be believed.
func Likelihood(v *eval.Likelihood) []Line {
	var l lines
	l.head("likelihood", "%d points, divergence %s, NFE %d", v.Points, v.Divergence, v.NFE)
	l.chosen(v.Chosen)
	if v.Points == 1 { // which has no standard error
		l.add("NLL", "%s nats", Decimals(v.NLL))
	} else {
		l.add("NLL", "%s ± %s nats", Decimals(v.NLL), Decimals(v.StdErr))
	}
	if v.Optimum != nil && v.Gap != nil {
		l.add("optimum", "%s nats, of the data's own density", Decimals(*v.Optimum))
		l.add("gap", "%s nats", Decimals(*v.Gap))
	}
	for _, b := range v.Dequantizations {
		l.add("bits per dimension", "%.4f ± %.4f with K = %d samples of dequantisation", b.BPD, b.StdErr, b.K)
	}
	if v.BPD != nil && v.Dequantizations == nil {
		l.add("bits per dimension", "%.4f with K = 1 sample of dequantisation", *v.BPD)
	}
	if v.Mass != nil {
		l = append(l, Mass(v.Mass)...)
	}
	if v.Check != nil {
		l.check(v.Check)
	}
	l.doubts(untrusted, v.Doubts)
	return l
}

// chosen says that points were chosen by time.
func (l *lines) chosen(c *eval.Chosen) {
	if c == nil {
		return
	}
	l.add("chosen by time", "as many of %d as take about %.3g s; their number for %s gives the same figures", c.Of,
		c.Seconds, c.By)
}

// Mass says what log-densities within bounds are divided by.
func Mass(m *model.Mass) []Line {
	var l lines
	over := ""
	if m.Contexts > 1 {
		over = fmt.Sprintf(" on average over %d contexts, %.4g at least", m.Contexts, m.Least)
	}
	l.add("mass within the bounds", "%.4g%s, of %d draws: log p ± %.2g nats", m.Mean, over, m.Draws, m.StdErr)
	if m.Outside > 0 {
		l.add("out of the bounds", "%d of the points: their density is 0, and the mean leaves them out", m.Outside)
	}
	return l
}

// check says whether a likelihood is to be believed.
func (l *lines) check(c *eval.Check) {
	var parts []string
	for _, d := range []struct {
		what      string
		nats, bpd *float64
	}{
		{"a finer solve", c.Difference, c.DifferenceBPD},
		{"one over shorter times", c.CutDifference, c.CutDifferenceBPD},
	} {
		if d.nats == nil {
			continue
		}
		text := fmt.Sprintf("%s differs by %.2g nats", d.what, *d.nats)
		if d.bpd != nil {
			text += fmt.Sprintf(" (%.2g bits per dimension)", *d.bpd)
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		l.add("check", "%d points again: %s", c.Points, strings.Join(parts, ", "))
	}
	l.doubts(untrusted, c.Why)
	l.doubts("what would help", c.Help)
}

// calibration says whether posteriors are as wide as they should be.
func calibration(c *eval.Calibration) (l lines) {
	l.head("calibration", "%d held-out points, %d samples for each, NFE %d", c.Points, c.Samples, c.NFE)
	for _, r := range c.Ranks {
		l.add("ranks of "+choice.Cut(r.Name),
			"bias %.3f ± %.3f, spread %.3f ± %.3f (1: right, more: too narrow), p = %.2g",
			r.Bias, r.BiasErr, r.Spread, r.SpreadErr, r.P())
	}
	l.add("coverage", "ATC %.4f ± %.4f (0: right, less: too narrow), p = %.2g", c.Coverage.ATC, c.Coverage.ATCErr,
		c.Coverage.Uniformity.KSP)
	return l
}

func features(j *eval.FeatureReport) (l lines) {
	nfe := "–" // there are no samples
	if j.NFE > 0 {
		nfe = fmt.Sprint(j.NFE)
	}
	if j.Accuracy != nil {
		l.head("classifier", "%.2f %% right on held-out images; samples at guidance %g, NFE %s", 100**j.Accuracy,
			j.Guidance, nfe)
	} else {
		l.head("features", "%s; %d samples at guidance %g, NFE %s", j.Extractor, j.Samples, j.Guidance, nfe)
	}
	if j.Agreement != nil {
		l.add("agreement", "%.2f %% of %d samples are of the requested class", 100**j.Agreement, j.Samples)
	}
	l.add("FID", "%s over its features (training images: %s)", known(j.FID), known(j.FIDData))
	if j.Reference != "" {
		l.add("FID to the reference", "%s, %s", known(j.FIDReference), j.Reference)
	}
	l.add("KID", "%s ± %s", known(j.KID), known(j.KIDStd))
	if j.InceptionScore != nil {
		l.add("inception score", "%.3f", *j.InceptionScore)
	}
	if j.Precision != nil && j.Recall != nil {
		l.add("precision, recall", "%.3f, %.3f", *j.Precision, *j.Recall)
	} else {
		l.add("precision, recall", "–")
	}
	return l
}

// Decimals writes a figure with four decimals or, where these would hide it or mean nothing,
// with four digits.
func Decimals(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 0.01 || a >= 1e6) {
		return fmt.Sprintf("%.4g", v)
	}
	return fmt.Sprintf("%.4f", v)
}

// known is Decimals of a figure, or a dash where it could not be measured; the error says why.
func known(v *float64) string {
	if v == nil {
		return "–"
	}
	return Decimals(*v)
}
