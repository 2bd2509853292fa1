package layout

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/model/weights"
	"flowmatch/path"
)

// named returns the case of a name.
func named(t *testing.T, name string) network {
	t.Helper()
	all := networks(t)
	k := slices.IndexFunc(all, func(c network) bool { return c.Name == name })
	if k < 0 {
		t.Fatalf("no case %q", name)
	}
	return all[k]
}

func TestTensorsThatDoNotFitAreListed(t *testing.T) {
	eng, c := engine(t), named(t, "DiT")
	for _, x := range []struct {
		what   string
		change func(all map[string]weights.Array)
		want   []string
	}{
		{"missing", func(all map[string]weights.Array) {
			for i := range 2 {
				for _, name := range []string{"attn.qkv", "attn.proj", "mlp.fc2", "adaLN_modulation.1"} {
					delete(all, fmt.Sprintf("blocks.%d.%s.weight", i, name))
					delete(all, fmt.Sprintf("blocks.%d.%s.bias", i, name))
				}
			}
		}, []string{"16 missing: blocks.0.attn.qkv.weight [96 32], ", "and 6 more", "nothing is loaded"}},
		{"misshapen", func(all map[string]weights.Array) {
			all["blocks.1.mlp.fc2.bias"] = weights.Array{Dims: []int{1, 32}, Numbers: make([]float32, 32)}
		}, []string{"1 of another shape: blocks.1.mlp.fc2.bias is [1 32] and should be [32]"}},
		{"unused", func(all map[string]weights.Array) {
			all["blocks.0.gate"] = weights.Array{Dims: []int{1}, Numbers: []float32{1}}
		}, []string{"1 unused: blocks.0.gate"}},
		{"positions that were learnt", func(all map[string]weights.Array) {
			a := all["pos_embed"]
			a.Numbers = slices.Clone(a.Numbers)
			a.Numbers[5] += 0.1
			all["pos_embed"] = a
		}, []string{"pos_embed", "does not learn it"}},
		{"another width of the output", func(all map[string]weights.Array) {
			all["final_layer.linear.weight"] = weights.Array{Dims: []int{16, 32}, Numbers: make([]float32, 512)}
		}, []string{"the output has 4 channels and the input 3"}},
	} {
		tensors := c.arrays()
		x.change(tensors)
		_, err := Import(eng, c.source(t, tensors))
		for _, want := range x.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", x.what, err, want)
			}
		}
	}
}

func TestSettingsThatAreWrongAreNamed(t *testing.T) {
	eng, written := engine(t), map[string]Source{}
	for _, x := range []struct {
		of   string
		set  []string
		want string
	}{
		{"torchcfm's UNet", []string{"image_size=0"}, "image_size is 0"},
		{"torchcfm's UNet", []string{"num_head_channels=-1", "num_heads=-1"}, "the heads of attention cannot be told"},
		{"torchcfm's UNet", []string{"num_channels=64"}, "the tensors are those of 32"},
		{"torchcfm's UNet", []string{"num_res_block=1"}, `did you mean "num_res_blocks"`},
		{"torchcfm's UNet", []string{"time_scale=2", "time_shift=3"}, ""},
		{"torchcfm's UNet", []string{"time_scale=0", "time_shift=3"}, "would not see the time"},
		{"torchcfm's UNet", []string{"data_std=0"}, "data_std is 0"},
		{"torchcfm's UNet", []string{"prediction=noisy"}, `did you mean "noise"`},
		{"torchcfm's UNet", []string{"steps=10"}, "steps is of a path in steps"},
		{"torchcfm's UNet", []string{"schedule=straight"}, "unknown schedule"},
		{"torchcfm's UNet", []string{"coupling"}, "write it as key=value"},
		{"flow_matching's UNet as for CIFAR-10", []string{"ignore_time=true"}, "no such thing"},
		{"DiT", []string{"num_heads=-1"}, "set num_heads"},
		{"DiT", []string{"num_classes=7"}, "the table of labels has 4 rows"},
		{"DiT", []string{"class_dropout_prob=0"}, "has 4 rows for 3 classes"},
		{"DiT", []string{"class_dropout_prob=1"}, "from 0 to less than 1"},
		{"DiT", []string{"depth=3"}, "those of 2"},
		{"DiT", []string{"steps=10"}, "beta_max 2 "},
		{"SiT, learn_sigma True", []string{"path_type=Linear", "schedule=vp"}, "path_type says \"condot\""},
		{"ADM, attention in legacy order", []string{"diffusion_steps=100", "steps=50"}, "diffusion_steps says 100"},
		{"ADM, attention in legacy order", []string{"noise_schedule=cosine", "schedule=linear"}, "noise_schedule says"},
		{"ADM, attention in legacy order", []string{"predict_xstart=true", "prediction=noise"}, "predict_xstart says"},
		{"nn.Sequential", []string{"activation=swish"}, "unknown activation"},
		{"nn.Sequential", []string{"time_scale=1000"}, "for networks of images"},
		{"nn.Sequential", []string{"condition=2"}, "set classes or condition"},
		{"UNet2DModel as DDPM", []string{"act_fn=gelu"}, `only "silu"`},
		{"UNet2DModel as DDPM", []string{"downsample_padding=2"}, "has 0 or 1"},
		{"DiTTransformer2DModel", []string{"num_attention_heads=3"}, "are not those of a width of 32"},
	} {
		if written[x.of].Files == nil {
			c := named(t, x.of)
			written[x.of] = c.source(t, c.arrays())
		}
		src := written[x.of]
		src.Set = x.set
		if _, err := Import(eng, src); x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) ||
			x.want == "" && err != nil {
			t.Errorf("%s with %v: got %v, want %q", x.of, x.set, err, x.want)
		}
	}
	if _, err := Import(eng, Source{Files: []string{"none.pt"}, Layout: "torchfm"}); err == nil ||
		!strings.Contains(err.Error(), `did you mean "torchcfm"`) {
		t.Errorf("a layout that there is not: %v", err)
	}
}

func TestWhatANetworkOutputsCanBeSet(t *testing.T) {
	eng, c := engine(t), named(t, "torchcfm's UNet")
	plain := c.imported(t, eng, c.source(t, c.arrays()))
	src := c.source(t, c.arrays())
	src.Set = []string{"prediction=reversed_velocity", "data_std=0.5", "data_mean=0.25", "coupling=ot"}
	other := c.imported(t, eng, src)
	for i, v := range c.outputs(t, other.Model.Net()) {
		for k, u := range c.outputs(t, plain.Model.Net())[i] {
			if v[k] != -u {
				t.Fatalf("reversed, the output is %g, want %g", v[k], -u)
			}
		}
	}
	z := other.Model.Spec().Standardizer
	if z == nil || z.Mean[0] != 0.25 || z.Std[0] != 0.5 || other.Coupling != "ot" {
		t.Errorf("the standardizer is %v and the coupling %q", z, other.Coupling)
	}
	c = named(t, "DiT")
	src = c.source(t, c.arrays())
	src.Set = []string{"schedule=cosine", "steps=100", "prediction=data"}
	spec := c.imported(t, eng, src).Model.Spec()
	at := spec.Net.DiT.Time
	if spec.Prediction != path.Data || spec.Path.Betas != "cosine" || *spec.Path.Steps != 100 || at.Scale != -100 ||
		at.Shift != 99 {
		t.Errorf("got %v of %+v, with the time %+v", spec.Prediction, spec.Path, at)
	}
}

// The linear betas of guided-diffusion and DiT are scaled, so that a diffusion in fewer steps ends at the
// same noise (gaussian_diffusion.py, get_named_beta_schedule); those of diffusers are not.
func TestLinearBetasAreThoseOfTheProgram(t *testing.T) {
	eng := engine(t)
	for _, x := range []struct {
		of, schedule string
		steps        float64
		first, last  float64 // 0: the default
	}{
		{"DiT", "", 250, 4e-4, 0.08},
		{"DiT", "linear", 4000, 2.5e-5, 0.005},
		{"DiT", "", 1000, 0, 0},
		{"DiT", "scaled_linear", 250, 0, 0},
		{"ADM, attention in legacy order", "", 100, 1e-3, 0.2},
		{"UNet2DModel as DDPM", "", 250, 0, 0},
		{"SiT, learn_sigma True", "linear", 250, 0, 0}, // which has no such betas of its own
	} {
		c := named(t, x.of)
		src := c.source(t, c.arrays())
		src.Set = append(src.Set, fmt.Sprintf("steps=%g", x.steps))
		if x.schedule != "" {
			src.Set = append(src.Set, "schedule="+x.schedule)
		}
		p := c.imported(t, eng, src).Model.Spec().Path
		for _, b := range []struct {
			got  *float64
			want float64
		}{{p.BetaMin, x.first}, {p.BetaMax, x.last}} {
			if (b.got == nil) != (b.want == 0) || b.got != nil && math.Abs(*b.got-b.want) > 1e-12 {
				t.Errorf("%s, %g steps %s: betas %+v, want %g to %g", x.of, x.steps, x.schedule, p, x.first, x.last)
			}
		}
	}
}

func TestLayersWithoutAnActivationBetweenThemAreAnError(t *testing.T) {
	eng, c := engine(t), named(t, "nn.Sequential")
	all := map[string]weights.Array{}
	for name, a := range c.arrays() {
		all[strings.Replace(name, "3.", "1.", 1)] = a
	}
	if _, err := Import(eng, c.source(t, all)); err == nil || !strings.Contains(err.Error(), "linear layer 1 follows") {
		t.Errorf("got %v", err)
	}
}

func TestAveragedWeightsAreTakenAndTold(t *testing.T) {
	eng, c := engine(t), named(t, "torchcfm's MLP, time_varying True")
	all := map[string]weights.Array{}
	for name, a := range c.arrays() {
		half := slices.Clone(a.Numbers)
		for i := range half {
			half[i] /= 2
		}
		all["net_model.module."+name] = a
		all["ema_model.module._orig_mod."+name] = weights.Array{Dims: a.Dims, Numbers: half}
	}
	first := func(key string) (float32, *Imported) {
		src := c.source(t, all)
		src.Key = key
		im := c.imported(t, eng, src)
		w, err := im.Model.Net().Weights()
		if err != nil {
			t.Fatal(err)
		}
		return w[0], im
	}
	raw, _ := first("net_model")
	averaged, im := first("")
	if named, _ := first("ema_model"); averaged != raw/2 || named != averaged {
		t.Errorf("the first weight is %g, averaged %g and by its key %g", raw, averaged, named)
	}
	if want := (Fact{"weights", `ema_model.module._orig_mod; there are also "net_model.module"`}); im.Facts[0] != want {
		t.Errorf("told %v, want %v", im.Facts[0], want)
	}
	src := c.source(t, all)
	src.Key = "ema"
	if _, err := Import(eng, src); err == nil || !strings.Contains(err.Error(), "no weights have the key") {
		t.Errorf("got %v", err)
	}
}

// The file is of scripts/fixture-weights.py: an average of half the weights, as a list.
func TestAnAverageWithoutNamesIsTakenInTheOrderOfTheWeights(t *testing.T) {
	eng := engine(t)
	for _, x := range []struct{ file, raw, average string }{
		{"shadow.pth", "model.model", "shadow_params"},
		{"list.pth", "model", "ema"},
	} {
		file := filepath.Join("..", "weights", "testdata", x.file)
		var first []float32
		for _, key := range []string{"", x.average, x.raw} {
			im, err := Import(eng, Source{Files: []string{file}, Layout: "sequential", Key: key,
				Set: []string{"activation=silu"}})
			if err != nil {
				t.Fatal(err)
			}
			w, err := im.Model.Net().Weights()
			if err != nil {
				t.Fatal(err)
			}
			first = append(first, w[0])
			if has := strings.Contains(im.Facts[0].Text, "shadow_params"); has != (key != x.raw) {
				t.Errorf("%s, key %q: told %s", x.file, key, im.Facts[0].Text)
			}
		}
		if first[0] != first[2]/2 || first[1] != first[0] || first[0] == 0 {
			t.Errorf("%s: the first weights are %g, want the average, the average and twice as much", x.file, first)
		}
	}
}

// Lightning's callback puts the average into the place of the weights, and these beside it.
func TestTheAverageOfLightningIsInThePlaceOfTheWeights(t *testing.T) {
	eng, c := engine(t), named(t, "torchcfm's MLP, time_varying True")
	all := map[string]weights.Array{}
	for name, a := range c.arrays() {
		all["state_dict."+name], all["current_model_state."+name] = a, a
	}
	want := Fact{"weights", `state_dict; there are also "current_model_state"`}
	if im := c.imported(t, eng, c.source(t, all)); im.Facts[0] != want {
		t.Errorf("told %v, want %v", im.Facts[0], want)
	}
}

// The weights of a folder may be in shards of either kind, or in a variant of their own.
func TestTheWeightsOfAFolderAreFoundUnderEveryName(t *testing.T) {
	eng, c := engine(t), named(t, "UNet2DModel as DDPM")
	src := c.source(t, c.arrays())
	plain := filepath.Join(src.Files[0], "diffusion_pytorch_model.safetensors")
	rename := func(name string) {
		t.Helper()
		if err := os.Rename(plain, filepath.Join(src.Files[0], name)); err != nil {
			t.Fatal(err)
		}
		plain = filepath.Join(src.Files[0], name)
	}
	rename("diffusion_pytorch_model.fp16.safetensors")
	c.imported(t, eng, src)
	second := filepath.Join(src.Files[0], "diffusion_pytorch_model.ema.safetensors")
	if err := os.WriteFile(second, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(eng, src); err == nil || !strings.Contains(err.Error(), "give one of them as the file") {
		t.Errorf("two variants: %v", err)
	}
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	rename("part.bin")
	index := map[string]any{"weight_map": map[string]string{"conv_in.weight": "part.bin"}}
	text, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(src.Files[0], "diffusion_pytorch_model.bin.index.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c.imported(t, eng, src)
}

func TestSeveralNetworksWithoutAnAverageAreAnError(t *testing.T) {
	eng, c := engine(t), named(t, "torchcfm's MLP, time_varying True")
	all := map[string]weights.Array{}
	for name, a := range c.arrays() {
		all["a."+name], all["b."+name] = a, a
	}
	if _, err := Import(eng, c.source(t, all)); err == nil || !strings.Contains(err.Error(), `"a", "b"`) {
		t.Errorf("got %v", err)
	}
}

func TestThePipelineOfDiffusersSaysWhatIsPredicted(t *testing.T) {
	eng, c := engine(t), named(t, "UNet2DModel as DDPM")
	for _, x := range []struct{ scheduler, want string }{
		{`{"_class_name": "DDPMScheduler", "beta_schedule": "linear", "beta_start": 0.001, "beta_end": 0.01,
			"num_train_timesteps": 100, "prediction_type": "sample"}`,
			"data, discrete_vp of 100 steps, betas linear from 0.001 to 0.01, 99 - 100 t"},
		{`{"_class_name": "DDIMScheduler", "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.001}`,
			"noise, discrete_vp of 1000 steps, betas cosine, 999 - 1000 t"},
		{`{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3}`,
			"velocity from data to noise, shifts its steps by 3"},
		{`{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3, "use_dynamic_shifting": true}`,
			"velocity from data to noise, by the number of patches"},
		{`{"_class_name": "DDPMScheduler", "beta_schedule": "linear", "clip_sample": true}`, "noise, clips the data"},
		{`{"_class_name": "FlowMatchEulerDiscreteScheduler"}`, "velocity from data to noise, condot, 1000 - 1000 t"},
		{`{"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
			"prediction_type": "v_prediction"}`,
			"v, discrete_vp of 1000 steps, betas scaled_linear from 0.00085 to 0.012, 999 - 1000 t"},
		{`{"prediction_type": "flow_prediction"}`, "it must be epsilon, sample or v_prediction"},
		{`{"beta_schedule": "linear", "rescale_betas_zero_snr": true}`, "rescale_betas_zero_snr"},
		{`{"_class_name": "EDMEulerScheduler", "sigma_data": 0.5}`, "has no beta_schedule"},
		{`{"beta_start": "low"}`, "beta_start is a JSON string"},
		{`[1]`, "all of it is a JSON array"},
		{`{`, "not JSON"},
		{`{"trained_betas": [0.1]}`, "trained_betas"},
	} {
		dir := t.TempDir()
		for _, name := range []string{"unet", "scheduler"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		config, err := json.Marshal(c.Settings)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"unet/config.json": string(config),
			"scheduler/scheduler_config.json": x.scheduler} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(dir, "unet", weightFiles[1]), c.arrays())
		im, err := Import(eng, Source{Files: []string{dir}, Layout: "diffusers"})
		if err != nil {
			if !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: %v", x.scheduler, err)
			}
			continue
		}
		told := map[string]string{}
		for _, f := range im.Facts {
			told[f.About] = f.Text
		}
		for _, want := range strings.SplitN(x.want, ", ", 2) {
			if all := told["output"] + ", " + told["path"] + ", " + told["time"] + ", " +
				told["sampling"]; !strings.Contains(all, want) &&
				!strings.Contains(strings.Split(all, ",")[0], want) {
				t.Errorf("%s: told %s, want %s", x.scheduler, all, x.want)
			}
		}
	}
}

// FuzzImport reads mutated safetensors files as every layout: they give an error or a model.
func FuzzImport(f *testing.F) {
	text, err := os.ReadFile("testdata/layouts.json")
	if err != nil {
		f.Fatal(err)
	}
	var all struct{ Cases []network }
	if err := json.Unmarshal(text, &all); err != nil {
		f.Fatal(err)
	}
	for _, c := range all.Cases {
		if c.Layout != "torchcfm" && c.Layout != "sequential" && c.Layout != "sit" || len(c.Tensors) > 60 {
			continue
		}
		t := &testing.T{}
		content, err := os.ReadFile(write(t, filepath.Join(f.TempDir(), "a"), c.arrays()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	eng := engine(&testing.T{})
	settings := map[string][]string{"torchcfm": nil, "sequential": {"activation=silu"}, "sit": {"num_heads=4"},
		"dit": {"num_heads=4"}, "guided-diffusion": {"image_size=8", "num_heads=4"},
		"flow-matching": {"image_size=8", "num_heads=4"}, "diffusers": {"sample_size=8"}}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "model")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, l := range All() {
			im, err := Import(eng, Source{Files: []string{file}, Layout: l.Name, Set: settings[l.Name]})
			if err == nil && im.Model == nil {
				t.Errorf("as %s: neither a model nor an error", l.Name)
			}
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 {
			t.Errorf("there are %d files (%v)", len(files), err)
		}
	})
}
