package likelihood

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestConfigMakesTheDivergenceThatItNames(t *testing.T) {
	for _, c := range []struct {
		c         Config
		dim, upTo int
		want      Divergence
		text      string
	}{
		{Config{}, 64, ExactUpTo, Exact{}, "exact"},
		{Config{}, 65, ExactUpTo, Hutchinson{Probes: 1, Seed: 9}, "hutchinson, 1 rademacher probes"},
		{Config{}, 4, 4, Exact{}, "exact"},
		{Config{}, 5, 4, Hutchinson{Probes: 1, Seed: 9}, "hutchinson, 1 rademacher probes"},
		{Config{Probes: 3}, 65, ExactUpTo, Hutchinson{Probes: 3, Seed: 9}, "hutchinson, 3 rademacher probes"},
		{Config{Divergence: "exact"}, 1000, ExactUpTo, Exact{}, "exact"},
		{Config{Divergence: "exact"}.Defaults(), 1000, ExactUpTo, Exact{}, "exact"},
		{Config{Divergence: "hutchinson", Probes: 2}, 1, ExactUpTo, Hutchinson{Probes: 2, Seed: 9},
			"hutchinson, 2 rademacher probes"},
	} {
		d, err := c.c.New(c.dim, c.upTo, 9)
		if err != nil || d != c.want || d.String() != c.text {
			t.Errorf("%+v in dimension %d: got %#v, %v; want %#v, %s", c.c, c.dim, d, err, c.want, c.text)
		}
	}
	if got := (Hutchinson{Kind: Gaussian}).String(); got != "hutchinson, 1 gaussian probes" {
		t.Errorf("an unset number of probes is named %q", got)
	}
}

func TestConfigNamesTheFieldThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Divergence: "exct"},
			`unknown divergence "exct"; did you mean "exact"? it must be one of exact, hutchinson`},
		{Config{Probes: -1}, "probes is -1; it must be at least 1"},
		{Config{Divergence: "exact", Probes: 2}, "probes is 2, but the divergence is exact"},
	} {
		_, err := c.c.New(2, ExactUpTo, 0)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.c, err, c.want)
		}
	}
}

func TestProbesOfAnExactDivergenceHaveNoEffect(t *testing.T) {
	for _, c := range []struct {
		c    Config
		dim  int
		want string
	}{
		{Config{Probes: 3}, 64, "probes is 3, but up to 64 dimensions the divergence is exact, which has none, " +
			"and the data have 64: leave it out, or set divergence to hutchinson"},
		{Config{Probes: 3}, 65, ""},
		{Config{Probes: 1}, 2, ""},
		{Config{Probes: 3, Divergence: "hutchinson"}, 2, ""},
	} {
		err := c.c.CheckDim(c.dim, ExactUpTo)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%+v in dimension %d: got %v, want %q", c.c, c.dim, err, c.want)
		}
	}
}

func TestConfigHasTheKeysOfRunFiles(t *testing.T) {
	want := Config{Divergence: "hutchinson", Probes: 4}
	var got Config
	err := yaml.UnmarshalWithOptions([]byte("divergence: hutchinson\nprobes: 4\n"), &got, yaml.DisallowUnknownField())
	if err != nil || got != want {
		t.Errorf("from YAML: %+v, %v", got, err)
	}
	if b, err := json.Marshal(want); err != nil || string(b) != `{"divergence":"hutchinson","probes":4}` {
		t.Errorf("as JSON: %s, %v", b, err)
	}
}
