package cli

import (
	"fmt"
	"io"
	"math"
	"strings"

	"flowmatch/eval"
	"flowmatch/internal/choice"
	"flowmatch/model"
)

type evalResult struct{ eval.Report }

func (r evalResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s, step %d\n", r.Run, r.Step)
	fmt.Fprintf(w, "data\t%s\n", r.Data)
	fmt.Fprintf(w, "solver\t%s\n", r.Solver)
	if c := r.Condition; c != nil {
		fmt.Fprintf(w, "condition\t%s: densities are of images given it\n", c)
	}
	fmt.Fprintf(w, "seed\t%d\n", r.Seed)
	fmt.Fprintf(w, "backend\t%s\n", r.Backend)
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
	if r.Likelihood != nil {
		likelihoodText(w, r.Likelihood)
	}
	if r.Samples != nil {
		qualityText(w, r.Samples)
	}
	if c := r.C2ST; c != nil {
		fmt.Fprintf(w, "C2ST\t%.4f ± %.4f, %d samples against %d held-out points (%.4g: not told apart), NFE %d\n",
			c.Accuracy, c.StdErr, c.Points, c.Reference, c.Chance, c.NFE)
	}
	if r.Calibration != nil {
		calibrationText(w, r.Calibration)
	}
	if r.Features != nil {
		featuresText(w, r.Features)
	}
	measured := map[string]bool{eval.PartLikelihood: r.Likelihood != nil, eval.PartSamples: r.Samples != nil,
		eval.PartFeatures: r.Features != nil}
	for _, part := range eval.Parts() {
		if _, missing := r.Missing[part]; missing && !measured[part] {
			fmt.Fprintf(w, "%s\t–\n", part)
		}
	}
}

func qualityText(w io.Writer, q *eval.Quality) {
	fmt.Fprintf(w, "samples\t%d against as many held-out points", q.Points)
	if q.NFE > 0 {
		fmt.Fprintf(w, ", NFE %d", q.NFE)
	}
	fmt.Fprintln(w)
	if q.Distances != nil {
		fmt.Fprintf(w, "  W2\t%s\n", known(q.W2))
		fmt.Fprintf(w, "  sliced W2\t%s\n", known(q.SlicedW2))
		fmt.Fprintf(w, "  MMD\t%s\n", known(q.MMD))
	}
	if q.Paths != nil {
		fmt.Fprintf(w, "  path energy\t%s\n", decimals(q.PathEnergy))
		fmt.Fprintf(w, "  NPE\t%s\n", known(q.NPE))
		fmt.Fprintf(w, "  straightness\t%s\n", decimals(q.Straightness))
	}
	if q.Restoration != nil {
		restorationText(w, q.Restoration)
	}
}

func likelihoodText(w io.Writer, l *eval.Likelihood) {
	fmt.Fprintf(w, "likelihood\t%d points, divergence %s, NFE %d\n", l.Points, l.Divergence, l.NFE)
	fmt.Fprintf(w, "  NLL\t%s ± %s nats\n", decimals(l.NLL), decimals(l.StdErr))
	if l.Optimum != nil && l.Gap != nil {
		fmt.Fprintf(w, "  optimum\t%s nats, of the data's own density\n", decimals(*l.Optimum))
		fmt.Fprintf(w, "  gap\t%s nats\n", decimals(*l.Gap))
	}
	for _, b := range l.Dequantizations {
		fmt.Fprintf(w, "  bits per dimension\t%.4f ± %.4f with K = %d samples of dequantisation\n",
			b.BPD, b.StdErr, b.K)
	}
	if l.BPD != nil && l.Dequantizations == nil {
		fmt.Fprintf(w, "  bits per dimension\t%.4f with K = 1 sample of dequantisation\n", *l.BPD)
	}
	if l.Mass != nil {
		massText(w, l.Mass)
	}
	if l.Check != nil {
		checkText(w, l.Check)
	}
}

// calibrationText says whether posteriors are as wide as they should be.
func calibrationText(w io.Writer, c *eval.Calibration) {
	fmt.Fprintf(w, "calibration\t%d held-out points, %d samples for each, NFE %d\n", c.Points, c.Samples, c.NFE)
	for _, r := range c.Ranks {
		fmt.Fprintf(w, "  ranks of %s\tbias %.3f ± %.3f, spread %.3f ± %.3f (1: right, more: too narrow), p = %.2g\n",
			choice.Cut(r.Name), r.Bias, r.BiasErr, r.Spread, r.SpreadErr, min(r.KSP, r.Chi2P))
	}
	fmt.Fprintf(w, "  coverage\tATC %.4f ± %.4f (0: right, less: too narrow), p = %.2g\n", c.Coverage.ATC,
		c.Coverage.ATCErr, c.Coverage.Uniformity.KSP)
}

// massText says what log-densities within bounds are divided by.
func massText(w io.Writer, m *model.Mass) {
	fmt.Fprintf(w, "  mass within the bounds\t%.4g", m.Mean)
	if m.Contexts > 1 {
		fmt.Fprintf(w, " on average over %d contexts, %.4g at least", m.Contexts, m.Least)
	}
	fmt.Fprintf(w, ", of %d draws: log p ± %.2g nats\n", m.Draws, m.StdErr)
	if m.Outside > 0 {
		fmt.Fprintf(w, "  out of the bounds\t%d of the points: their density is 0, and the mean leaves them out\n",
			m.Outside)
	}
}

// decimals writes a figure with four decimals or, where these would hide it or mean nothing,
// with four digits.
func decimals(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 0.01 || a >= 1e6) {
		return fmt.Sprintf("%.4g", v)
	}
	return fmt.Sprintf("%.4f", v)
}

// known is decimals of a figure, or a dash where it could not be measured; the error says why.
func known(v *float64) string {
	if v == nil {
		return "–"
	}
	return decimals(*v)
}

// checkText says whether a likelihood is to be believed.
func checkText(w io.Writer, c *eval.Check) {
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
		fmt.Fprintf(w, "  check\t%d points again: %s\n", c.Points, strings.Join(parts, ", "))
	}
	for _, why := range c.Why {
		fmt.Fprintf(w, "  not to be trusted\t%s\n", why)
	}
	for _, help := range c.Help {
		fmt.Fprintf(w, "  what would help\t%s\n", help)
	}
}

func restorationText(w io.Writer, p *eval.Restoration) {
	fmt.Fprintf(w, "restoration\t%d images against their originals\n", p.Images)
	fmt.Fprintf(w, "  PSNR\t%.2f dB (input: %.2f dB)\n", p.PSNR, p.InputPSNR)
	if p.SSIM != nil && p.InputSSIM != nil {
		fmt.Fprintf(w, "  SSIM\t%.4f (input: %.4f)\n", *p.SSIM, *p.InputSSIM)
	}
	if p.Consistency != nil {
		fmt.Fprintf(w, "  consistency\t%.2f dB, of the samples after reduction, against their inputs\n",
			*p.Consistency)
	}
}

// nfe writes the evaluations that the samples took, or a dash where there are none.
func nfe(j *eval.FeatureReport) string {
	if j.NFE == 0 {
		return "–"
	}
	return fmt.Sprint(j.NFE)
}

func featuresText(w io.Writer, j *eval.FeatureReport) {
	if j.Accuracy != nil {
		fmt.Fprintf(w, "classifier\t%.2f %% right on held-out images; samples at guidance %g, NFE %s\n",
			100**j.Accuracy, j.Guidance, nfe(j))
	} else {
		fmt.Fprintf(w, "features\t%s; %d samples at guidance %g, NFE %s\n", j.Extractor, j.Samples, j.Guidance, nfe(j))
	}
	if j.Agreement != nil {
		fmt.Fprintf(w, "  agreement\t%.2f %% of %d samples are of the requested class\n", 100**j.Agreement, j.Samples)
	}
	fmt.Fprintf(w, "  FID\t%s over its features (training images: %s)\n", known(j.FID), known(j.FIDData))
	if j.Reference != "" {
		fmt.Fprintf(w, "  FID to the reference\t%s, %s\n", known(j.FIDReference), j.Reference)
	}
	fmt.Fprintf(w, "  KID\t%s ± %s\n", known(j.KID), known(j.KIDStd))
	if j.InceptionScore != nil {
		fmt.Fprintf(w, "  inception score\t%.3f\n", *j.InceptionScore)
	}
	if j.Precision != nil && j.Recall != nil {
		fmt.Fprintf(w, "  precision, recall\t%.3f, %.3f\n", *j.Precision, *j.Recall)
	} else {
		fmt.Fprint(w, "  precision, recall\t–\n")
	}
}
