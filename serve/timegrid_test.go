package serve

import (
	"encoding/json"
	"testing"

	"flowmatch/client"
	"flowmatch/timegrid"
)

// A request names the settings of a time grid as a run file does.
func TestTimeGridsOfRequestsAreThoseOfRunFiles(t *testing.T) {
	g := timegrid.Config{Spacing: "karras", Shift: new(1.0), Mu: new(2.0), Tokens: new(3), BaseShift: new(4.0),
		MaxShift: new(5.0), BaseTokens: new(6), MaxTokens: new(7), SigmaMin: new(8.0), ShiftTerminal: new(9.0),
		Rho: new(10.0), Alpha: new(11.0), Beta: new(12.0), Sigmas: []float64{13}, Times: []float64{14}}
	own, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := json.Marshal(client.TimeGrid(g))
	if err != nil || string(own) != string(asked) {
		t.Errorf("%s of a run file, %s of a request (%v)", own, asked, err)
	}
}

// Requests of different guidance do not share a solve, nor do those of different grids.
func TestRequestsOfDifferentGridsDoNotShareASolve(t *testing.T) {
	two := 2.0
	seen := map[guided]bool{}
	for _, b := range []client.SampleRequest{{}, {Guidance: &two}, {Guidance: &two, GuidanceRescale: 0.5},
		{Guidance: &two, GuidanceInterval: []float64{0, 0.5}},
		{Guidance: &two, GuidanceInterval: []float64{0.1, 0.5}}} {
		if seen[guidedBy(b)] {
			t.Errorf("%+v is guided as another request", b)
		}
		seen[guidedBy(b)] = true
	}
}
