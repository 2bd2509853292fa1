package serve

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"flowmatch/client"
)

// inferAnswer is the JSON of an answer of the protocol.
type inferAnswer struct {
	Name    string `json:"model_name"`
	Version string `json:"model_version"`
	ID      string
	Outputs []struct {
		Name       string
		Datatype   string
		Shape      []int
		Parameters struct {
			Size int `json:"binary_data_size"`
		}
		Data []any
	}
}

func TestProtocolTellsOfModels(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Tokens, o.Version = []string{"one"}, "1.2" })
	for _, c := range []struct {
		path string
		code int
		want string
	}{
		{"/v2", 200, `"extensions":["binary_tensor_data","parameters"],"name":"flowmatch","version":"1.2"`},
		{"/v2/models/moons", 200, `"inputs":[{"name":"n","datatype":"INT64","shape":[1]},{"name":"seed",` +
			`"datatype":"UINT64","shape":[1]},{"name":"label","datatype":"BYTES","shape":[-1]},{"name":"x",` +
			`"datatype":"FP64","shape":[-1,2]}],"name":"moons","outputs":[` +
			`{"name":"x","datatype":"FP64","shape":[-1,2]},` +
			`{"name":"label","datatype":"BYTES","shape":[-1]},{"name":"logp","datatype":"FP64","shape":[-1]}],` +
			`"platform":"flowmatch","versions":["50"]`},
		{"/v2/models/moons/versions/50", 200, `"name":"moons"`},
		{"/v2/models/moons/versions/51", 404, `{"error":"there is no such version of the model; there is 50`},
		{"/v2/models/suns", 404, `{"error":"there is no model \"suns\"; there is \"moons\""}`},
		{"/v2/models/moons/ready", 200, `"ready":true`},
		{"/v2/health/ready", 200, `"ready":true`},
	} {
		code, body, _ := get(t, h.URL+c.path, "Authorization", "Bearer one")
		if code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s; want %d, %s", c.path, code, body, c.code, c.want)
		}
	}
	if code, _, _ := get(t, h.URL+"/v2/health/live"); code != http.StatusOK {
		t.Errorf("live without a token: %d", code)
	}
	if code, _, _ := get(t, h.URL+"/v2"); code != http.StatusUnauthorized {
		t.Errorf("metadata without a token: %d", code)
	}
}

// TestInferenceIsSampling: of the same bits as the other route, in JSON and in binary.
func TestInferenceIsSampling(t *testing.T) {
	_, h := serving(t, nil)
	noise := uint64(math.MaxUint64)
	want := ask[client.Samples](t, h.URL+"/v1/models/moons/sample", client.SampleRequest{N: 3, Seed: &noise, LogP: true,
		Label: client.Labels{"1"}})
	url := h.URL + "/v2/models/moons/infer"
	code, body, _ := post(t, url, `{"id": "a", "inputs": [
		{"name": "n", "datatype": "INT64", "shape": [1], "data": [3]},
		{"name": "seed", "datatype": "UINT64", "shape": [1], "data": [18446744073709551615]},
		{"name": "label", "datatype": "BYTES", "shape": [1], "data": ["1"]}],
		"outputs": [{"name": "logp"}, {"name": "x"}]}`)
	var got inferAnswer
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
		t.Fatal(code, body)
	}
	if got.Name != "moons" || got.Version != "50" || got.ID != "a" || len(got.Outputs) != 2 {
		t.Fatal(body)
	}
	for i, row := range want.X {
		x := got.Outputs[0].Data
		if !reflect.DeepEqual(row, x[2*i:2*i+2]) || got.Outputs[1].Data[i] != want.LogP[i] {
			t.Errorf("sample %d: %v, want %v", i, x[2*i:2*i+2], row)
		}
	}
	without := ask[client.Samples](t, h.URL+"/v1/models/moons/sample", client.SampleRequest{N: 3, Seed: &noise,
		Label: client.Labels{"1"}})
	// The bytes that tritonclient sends by default, with outputs in binary.
	head := `{"inputs":[{"name":"n","shape":[1],"datatype":"INT64","parameters":{"binary_data_size":8}},` +
		`{"name":"seed","shape":[1],"datatype":"UINT64","parameters":{"binary_data_size":8}},` +
		`{"name":"label","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}],` +
		`"outputs":[{"name":"x","parameters":{"binary_data":true}},{"name":"label","parameters":{"binary_data":true}}]}`
	request := binary.LittleEndian.AppendUint64([]byte(head), 3)
	request = binary.LittleEndian.AppendUint64(request, noise)
	request = append(binary.LittleEndian.AppendUint32(request, 1), '1')
	code, body, answered := post(t, url, string(request), "Content-Type", "application/octet-stream", headLength,
		fmt.Sprint(len(head)))
	n, err := strconv.Atoi(answered.Get(headLength))
	if err != nil || code != http.StatusOK || json.Unmarshal([]byte(body[:n]), &got) != nil {
		t.Fatal(code, body, err)
	}
	rest := []byte(body[n:])
	if len(rest) != 3*2*8+3*5 || got.Outputs[0].Parameters.Size != 48 || string(rest[48:]) !=
		strings.Repeat("\x01\x00\x00\x001", 3) {
		t.Fatalf("%s\n%d bytes", body[:n], len(rest))
	}
	for i, row := range without.X {
		if v := math.Float64frombits(binary.LittleEndian.Uint64(rest[16*i:])); v != row[0] {
			t.Errorf("sample %d is %v, want %v", i, v, row[0])
		}
	}
	// Log-densities of the samples, by points in binary.
	head = `{"parameters": {"binary_data_output": true}, "inputs": [{"name": "x", "datatype": "FP64", "shape": [3, 2],
		"parameters": {"binary_data_size": 48}}, {"name": "label", "datatype": "INT32", "shape": [1], "data": [1]}]}`
	code, body, answered = post(t, url, head+string(rest[:48]), headLength, fmt.Sprint(len(head)))
	if n, err = strconv.Atoi(answered.Get(headLength)); err != nil || code != http.StatusOK {
		t.Fatal(code, body, err)
	}
	for i, p := range want.LogP {
		if v := math.Float64frombits(binary.LittleEndian.Uint64([]byte(body[n+8*i:]))); math.Abs(v-p) > 1e-2 {
			t.Errorf("log p of sample %d is %v, as a sample %v", i, v, p)
		}
	}
}

func TestInferenceOfTables(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = []string{tableOf(t)} })
	noise := uint64(4)
	given := client.Rows{{"city": "Rome"}, {"city": "Oslo"}}
	want := ask[client.Samples](t, h.URL+"/v1/models/people/sample", client.SampleRequest{N: 2, Seed: &noise,
		Given: given})
	url := h.URL + "/v2/models/people/infer"
	code, body, _ := post(t, url, `{"parameters": {"seed": 4, "n": 2}, "inputs": [
		{"name": "given.city", "datatype": "BYTES", "shape": [2], "data": ["Rome", "Oslo"]}]}`)
	var got inferAnswer
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
		t.Fatal(code, body)
	}
	for i, row := range want.X {
		for k, v := range row {
			if got.Outputs[k].Data[i] != v || got.Outputs[k].Name != "x."+want.Columns[k] {
				t.Errorf("%s of row %d is %v, want %v", want.Columns[k], i, got.Outputs[k].Data[i], v)
			}
		}
	}
	rows := client.LogPRequest{Seed: &noise, X: []client.Point{{Named: map[string]any{"age": 30.0, "city": "Rome",
		"height": 1.7}}}}
	logp := ask[client.LogP](t, h.URL+"/v1/models/people/logp", rows)
	code, body, _ = post(t, url, `{"parameters": {"seed": 4}, "inputs": [
		{"name": "x.city", "datatype": "BYTES", "shape": [1], "data": ["Rome"]},
		{"name": "x.age", "datatype": "INT16", "shape": [1], "data": [30]},
		{"name": "x.height", "datatype": "FP64", "shape": [1], "data": [1.7]}]}`)
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Outputs[0].Data[0] != *logp.LogP[0] {
		t.Errorf("%d %s; want %v", code, body, *logp.LogP[0])
	}
}

func TestBadInferenceIsToldWhatIsWrong(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.MaxPoints, o.MaxBody = 100, 2000 })
	n := func(more string) string {
		return `{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [3]}` + more + `}`
	}
	for _, c := range []struct{ body, length, want string }{
		{`{}`, "", "neither n, for samples, nor points"},
		{`{"inputs": 3}`, "", "the body is not as the protocol says"},
		{n(`, {"name": "m", "datatype": "INT64", "shape": [1], "data": [3]}]`), "", "must be one of n, seed, label, x"},
		{n(`, {"name": "n", "datatype": "INT64", "shape": [1], "data": [3]}]`), "", "comes twice"},
		{n(`, {"name": "seed", "datatype": "INT64", "shape": [1], "data": [-3]}]`), "", "must not be negative"},
		{n(`, {"name": "seed", "datatype": "FP16", "shape": [1], "data": [3]}]`), "", "datatype"},
		{n(`, {"name": "seed", "datatype": "FP32", "shape": [1], "data": [3]}]`), "", "one whole number"},
		{n(`, {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["z"]}]`), "", "no class is called"},
		{n(`, {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["0"]}]`), "", "1 values for shape [2]"},
		{n(`, {"name": "label", "datatype": "BYTES", "shape": [-1], "data": ["0"]}]`), "", "a side of -1"},
		{n(`], "outputs": [{"name": "y"}]`), "", "outputs: "},
		{n(`], "parameters": {"stepps": 3}`), "", "stepps"},
		{n(`], "parameters": {"steps": -3}`), "", "steps"},
		{n(`], "parameters": {"steps": 3, "rtol": 0.1}`), "", "no tolerances"},
		{`{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [300]}]}`, "", "at most 100"},
		{`{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [-9223372036854775808]}]}`, "",
			"negative"},
		{`{"inputs": [{"name": "x", "datatype": "FP64", "shape": [0, 2], "data": []}]}`, "", "has no rows"},
		{`{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [1, 2, 3]}]}`, "", "3 values"},
		{`{"inputs": [{"name": "x", "datatype": "FP64", "shape": [4194304, 4194304], "data": [1]}]}`, "", "more than"},
		{`{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}}]}`, "",
			"0 bytes are left"},
		{`{"inputs": []}xx`, "14", "2 bytes are left"},
		{`{"inputs": []}`, "99", "it must be from 0 to the 14 bytes"},
		{strings.Repeat(" ", 3000), "", "more than 2000 bytes"},
	} {
		code, text, _ := post(t, h.URL+"/v2/models/moons/infer", c.body, headLength, c.length)
		var e map[string]string
		if code < 400 || code >= 500 || json.Unmarshal([]byte(text), &e) != nil ||
			!strings.Contains(e["error"], c.want) {
			t.Errorf("%s: %d %s; want %q", c.body, code, text, c.want)
		}
	}
}
