package path_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"flowmatch/path"
)

func TestCheckCatchesASchedulesMistakes(t *testing.T) {
	fn := func(f func(t float64) path.Coef) path.Func { return path.Func{Fn: f} }
	for _, c := range []struct {
		name string
		s    path.Scheduler
		want string // part of the error
	}{
		{"a wrong derivative of alpha", fn(func(t float64) path.Coef {
			return path.Coef{Alpha: t * t, Sigma: 1 - t, DAlpha: t, DSigma: -1}
		}), "DAlpha(0.015625) = 0.015625, but the numeric derivative of Alpha there is 0.03125"},
		{"a derivative of sigma that is off by 1e-4", fn(func(t float64) path.Coef {
			return path.Coef{Alpha: t, Sigma: 1 - t, DAlpha: 1, DSigma: -1.0001}
		}), "DSigma(0.015625) = -1.0001, but the numeric derivative of Sigma there is -1"},
		{"diffusion time, noise at 1", fn(func(t float64) path.Coef {
			return path.Coef{Alpha: 1 - t, Sigma: t, DAlpha: -1, DSigma: 1}
		}), "diffusion time"},
		{"a negative sigma", fn(func(t float64) path.Coef {
			return path.Coef{Alpha: t, Sigma: 0.5 - t, DAlpha: 1, DSigma: -1}
		}), "neither may be negative"},
		{"an infinite derivative at the end", path.Func{Fn: path.LinearVP{}.At, Lo: 0, Hi: 1},
			"DSigma(1) is -Inf: shorten the domain"},
		{"a jump", fn(func(t float64) path.Coef {
			return path.Coef{Alpha: t + math.Floor(2*t), Sigma: 1, DAlpha: 1}
		}), "not smooth"},
		{"nothing at all at t = 0", fn(func(t float64) path.Coef {
			return path.Coef{Alpha: t, Sigma: t, DAlpha: 1, DSigma: 1}
		}), "both zero"},
		{"a domain past one", path.Func{Fn: path.VE{}.At, Lo: 0, Hi: 2}, "domain [0, 2]"},
		{"an empty domain", path.Func{Fn: path.VE{}.At, Lo: 0.5, Hi: 0.5}, "domain [0.5, 0.5]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := path.Check(c.s)
			if !errors.Is(err, path.ErrSchedule) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that wraps ErrSchedule and says %q", err, c.want)
			}
		})
	}
}

func TestCheckAcceptsAUsersCorrectSchedule(t *testing.T) {
	s := path.Func{Fn: func(t float64) path.Coef {
		return path.Coef{Alpha: t * t * (3 - 2*t), Sigma: 1 - t*t, DAlpha: 6 * t * (1 - t), DSigma: -2 * t}
	}}
	if err := path.Check(s); err != nil {
		t.Error(err)
	}
}

func TestEveryNameGivesASchedule(t *testing.T) {
	for _, name := range path.Names() {
		s, err := path.ByName(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := path.Check(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := path.ByName("linear")
	want := `path: unknown schedule "linear"; did you mean "linear_vp"? ` +
		`it must be one of condot, vp, ve, cosine, poly, linear_vp, discrete_vp, icfm, bridge`
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestAConfigIsReadFromYAMLAndJSONAlike(t *testing.T) {
	var y, j path.Config
	if err := yaml.Unmarshal([]byte("name: vp\nbeta_max: 12\n"), &y); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"name": "vp", "beta_max": 12}`), &j); err != nil {
		t.Fatal(err)
	}
	for _, c := range []path.Config{y, j} {
		s, err := c.New()
		if want := (path.VP{BetaMin: 0.1, BetaMax: 12}); err != nil || s != want {
			t.Errorf("got %#v, %v, want %#v", s, err, want)
		}
	}
	if out, err := yaml.Marshal(y); err != nil || string(out) != "name: vp\nbeta_max: 12.0\n" {
		t.Errorf("written back: %q, %v", out, err)
	}
}

func TestAConfigRefusesWhatItsScheduleDoesNotUseOrAllow(t *testing.T) {
	for _, c := range []struct {
		c    path.Config
		want string
	}{
		{path.Config{Name: "condot", BetaMin: new(0.1)},
			"path: beta_min = 0.1: schedule condot does not use it, only sigma_min"},
		{path.Config{Name: "cosine", SigmaMin: new(0.1)},
			"path: sigma_min = 0.1: schedule cosine takes no settings: remove it"},
		{path.Config{Name: "condot", SigmaMin: new(1.0)}, "path: sigma_min = 1: schedule condot wants it in [0, 1)"},
		{path.Config{Name: "ve", SigmaMin: new(0.0)}, "path: sigma_min = 0: schedule ve wants it above 0"},
		{path.Config{Name: "ve", SigmaMin: new(2.0), SigmaMax: new(1.0)},
			"path: sigma_max = 1: schedule ve wants it above sigma_min = 2"},
		{path.Config{Name: "vp", BetaMin: new(math.NaN())}, "path: beta_min = NaN: schedule vp wants it above 0"},
		{path.Config{Name: "vp", BetaMax: new(math.Inf(1))},
			"path: beta_max = +Inf: schedule vp wants it at least beta_min = 0.1"},
		{path.Config{Name: "poly", Power: new(0.5)}, "path: power = 0.5: schedule poly wants it at least 1"},
	} {
		if err := c.c.Validate(); err == nil || err.Error() != c.want {
			t.Errorf("got error %v\nwant       %s", err, c.want)
		}
	}
}

func TestEveryPredictionsNameRoundTrips(t *testing.T) {
	for p := path.Velocity; p <= path.Score; p++ {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q path.Prediction = -1
		if err := json.Unmarshal(text, &q); err != nil || q != p {
			t.Errorf("%v: written %s, read %v, %v", p, text, q, err)
		}
		var y struct{ P path.Prediction }
		if err := yaml.Unmarshal([]byte("p: "+p.String()), &y); err != nil || y.P != p {
			t.Errorf("%v: read from YAML as %v, %v", p, y.P, err)
		}
	}
	_, err := path.ParsePrediction("eps")
	want := `path: unknown prediction "eps"; it must be one of velocity, data, noise, score, v`
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if _, err := path.Prediction(9).MarshalText(); err == nil {
		t.Error("a prediction that does not exist was written")
	}
}
