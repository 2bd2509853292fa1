package synth

import (
	"strings"
	"testing"
	"time"
)

// Laws whose matrices would take minutes are refused at once, and those that have none are not.
func TestLawsThatTakeMinutesAreRefused(t *testing.T) {
	start := time.Now()
	for name, want := range map[string]string{
		"gmm": "dim = 2900 with 5 random matrices of dim x dim takes minutes to make and as long to draw from; " +
			"at most 1587, or a law without correlations, such as gaussian",
		"copula":   "dim = 2900 with 1 random matrices",
		"gaussian": "",
	} {
		_, err := ByName(name, Params{Dim: new(2900)})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("that took %v", took)
	}
}
