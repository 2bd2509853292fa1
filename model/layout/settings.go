package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/model/weights"
)

// settings are those of a network, under the names of its program. What is read of them is
// noted, so that one that nobody reads is an error.
type settings struct {
	values map[string]any
	known  map[string]bool
	errs   []error
	facts  []Fact // of what is in the files beside settings
}

// fail notes that a setting is wrong.
func (s *settings) fail(format string, args ...any) {
	s.errs = append(s.errs, asked{fmt.Errorf(format, args...)})
}

// put sets what a setting of the program, from, says under a name of its own.
func (s *settings) put(key, from string, v any) {
	if have, twice := s.values[key]; twice && have != nil && written(have) != written(v) {
		s.fail("%s is %s, and %s says %s; leave one of them out", key, show(have), from, show(v))
		return
	}
	s.values[key] = v
}

// done reports what was wrong, and settings that nobody has read.
func (s *settings) done() error {
	if len(s.errs) > 0 {
		return s.errs[0]
	}
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if !s.known[key] && !strings.HasPrefix(key, "_") { // as _class_name of diffusers
			return asked{choice.Check("setting", key, slices.Sorted(maps.Keys(s.known)))}
		}
	}
	return nil
}

// ignore notes settings that say nothing of a trained network.
func (s *settings) ignore(keys ...string) {
	for _, key := range keys {
		s.known[key] = true
	}
}

func (s *settings) get(key string) (any, bool) {
	s.known[key] = true
	v, ok := s.values[key]
	return v, ok && v != nil
}

func (s *settings) number(key string) (float64, bool) {
	v, ok := s.get(key)
	if !ok {
		return 0, false
	}
	n, isNumber := v.(float64)
	if !isNumber {
		s.fail("%s is %s; it must be a number", key, show(v))
	}
	return n, isNumber
}

// whole returns a number that counts something; ok is false where it is not set, or -1.
func (s *settings) whole(key string) (int, bool) {
	v, ok := s.number(key)
	if !ok || v == -1 {
		return 0, false
	}
	if v != float64(int(v)) || v < 1 || v > 1<<30 {
		s.fail("%s is %g; it must be a whole number, at least 1", key, v)
		return 0, false
	}
	return int(v), true
}

func (s *settings) text(key string) (string, bool) {
	v, ok := s.get(key)
	if !ok {
		return "", false
	}
	text, isText := v.(string)
	if !isText {
		s.fail("%s is %s; it must be a name", key, show(v))
	}
	return text, isText
}

// flag returns a setting that is true or false.
func (s *settings) flag(key string, otherwise bool) bool {
	v, ok := s.get(key)
	if !ok {
		return otherwise
	}
	switch v {
	case true, "True":
		return true
	case false, "False":
		return false
	}
	s.fail("%s is %s; it must be true or false", key, show(v))
	return otherwise
}

// same notes a setting that is not what the tensors are.
func (s *settings) same(key string, is any) {
	v, ok := s.get(key)
	if !ok {
		return
	}
	if has, want := written(v), written(is); has != want {
		s.fail("%s is %s, but the tensors are those of %s", key, choice.Cut(has), want)
	}
}

// share returns a share of labels, from 0 to less than 1.
func (s *settings) share(key string, otherwise float64) float64 {
	v, ok := s.number(key)
	switch {
	case !ok:
		return otherwise
	case !(v >= 0 && v < 1):
		s.fail("%s is %g; it must be from 0 to less than 1", key, v)
	}
	return v
}

// written returns a value as JSON has it.
func written(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // of what JSON has not read
		return fmt.Sprintf("%q", fmt.Sprint(v))
	}
	return string(text)
}

func show(v any) string { return choice.Cut(written(v)) }

// image returns the height and width of images: a number, or two.
func (s *settings) image(key string) (height, width int) {
	v, ok := s.get(key)
	if !ok {
		s.fail("the size of the images cannot be told from the tensors: set %s", key)
		return 0, 0
	}
	sides, isList := v.([]any)
	if !isList {
		sides = []any{v, v}
	}
	if len(sides) == 2 {
		h, isNumber := sides[0].(float64)
		w, areNumbers := sides[1].(float64)
		whole := h == float64(int(h)) && w == float64(int(w)) && min(h, w) >= 1 && max(h, w) <= 1<<15
		if isNumber && areNumbers && whole {
			return int(h), int(w)
		}
	}
	s.fail("%s is %s; it must be the side of the images, or [height, width]", key, show(v))
	return 0, 0
}

// open returns the files of the weights and the settings.
func (src Source) open() (files []string, s *settings, err error) {
	s = &settings{values: map[string]any{}, known: map[string]bool{}}
	config := src.Config
	for _, file := range src.Files {
		info, err := os.Stat(file)
		if err != nil || !info.IsDir() {
			files = append(files, file) // of which weights.Open says what is wrong
			continue
		}
		in, found, err := folder(file, s)
		if err != nil {
			return nil, nil, err
		}
		if files = append(files, in); config == "" {
			config = found
		}
	}
	if config != "" {
		if err := weights.ReadJSON(config, &s.values); err != nil {
			return nil, nil, fmt.Errorf("layout: %w", err)
		}
	}
	if s.values["_class_name"] == autoencoderClass {
		return nil, nil, asked{fmt.Errorf("layout: %s is an %s: %w", choice.List(src.Files), autoencoderClass,
			ErrDecoderAlone)}
	}
	for _, text := range src.Set {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, nil, asked{fmt.Errorf("layout: the setting %s is none; write it as key=value",
				choice.Quote(text))}
		}
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		s.values[key] = v
	}
	return files, s, nil
}

// weightFiles are the names of the weights in a folder of diffusers, the best first.
var weightFiles = []string{
	"diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.safetensors",
	"diffusion_pytorch_model.bin.index.json", "diffusion_pytorch_model.bin",
}

// folder returns the weights and the configuration in a folder of diffusers, which may be that
// of a pipeline: then the settings of its scheduler are noted, too.
func folder(dir string, s *settings) (file, config string, err error) {
	network := dir
	if !exists(filepath.Join(dir, "config.json")) {
		for _, part := range []string{"unet", "transformer"} {
			if exists(filepath.Join(dir, part, "config.json")) {
				network = filepath.Join(dir, part)
			}
		}
		if network == dir {
			return "", "", fmt.Errorf("layout: folder %s has no config.json, and no unet or transformer with one", dir)
		}
		if scheduler := filepath.Join(dir, "scheduler", "scheduler_config.json"); exists(scheduler) {
			if err := readScheduler(scheduler, s); err != nil {
				return "", "", err
			}
		}
	}
	return networkIn(network)
}

// networkIn returns the weights and the configuration of the one network in a folder of diffusers.
func networkIn(network string) (file, config string, err error) {
	if config := filepath.Join(network, "config.json"); !exists(config) {
		return "", "", fmt.Errorf("layout: folder %s has no config.json", network)
	}
	for _, name := range weightFiles {
		if file := filepath.Join(network, name); exists(file) {
			return file, filepath.Join(network, "config.json"), nil
		}
	}
	// Variants, such as diffusion_pytorch_model.fp16.safetensors, whose shards are named by their index.
	for _, ending := range []string{".safetensors.index.json", ".safetensors"} {
		names, err := fs.Glob(os.DirFS(network), "diffusion_pytorch_model.*"+ending)
		switch config := filepath.Join(network, "config.json"); {
		case err != nil:
			return "", "", err
		case len(names) > 1:
			return "", "", asked{fmt.Errorf("layout: folder %s has several variants, %s; give one of them as the "+
				"file, and the settings of %s", network, choice.List(names), config)}
		case len(names) == 1:
			return filepath.Join(network, names[0]), config, nil
		}
	}
	return "", "", fmt.Errorf("layout: folder %s has none of %s", network, choice.List(weightFiles))
}

// PipelineDecoder returns the autoencoder in the folder of a pipeline of diffusers; "": files are none, or it has
// none that is read.
func PipelineDecoder(files ...string) string {
	if len(files) != 1 || exists(filepath.Join(files[0], "config.json")) {
		return ""
	}
	vae := filepath.Join(files[0], "vae")
	var c struct {
		Class string `json:"_class_name"`
	}
	config := filepath.Join(vae, "config.json")
	if !exists(config) || weights.ReadJSON(config, &c) != nil || c.Class != autoencoderClass {
		return ""
	}
	return vae
}

// scheduler is what is read of a scheduler_config.json.
type scheduler struct {
	Class      string   `json:"_class_name"`
	Betas      string   `json:"beta_schedule"`
	Start      *float64 `json:"beta_start"`
	End        *float64 `json:"beta_end"`
	Steps      *float64 `json:"num_train_timesteps"`
	Prediction string   `json:"prediction_type"`
	Trained    any      `json:"trained_betas"`
	ZeroSNR    bool     `json:"rescale_betas_zero_snr"`
	Clips      bool     `json:"clip_sample"`
	Shift      float64  `json:"shift"`
	Dynamic    bool     `json:"use_dynamic_shifting"`
}

// sampling says how the scheduler samples otherwise than a run does; "": it does not.
func (c scheduler) sampling() string {
	flow := strings.HasPrefix(c.Class, "FlowMatch")
	switch {
	case flow && c.Dynamic:
		return "the scheduler shifts its steps by the number of patches, as time_grid.tokens does; the run has equal " +
			"steps"
	case flow && c.Shift != 0 && c.Shift != 1:
		return fmt.Sprintf("the scheduler shifts its steps by %g, as time_grid.shift does; the run has equal steps",
			c.Shift)
	case c.Clips:
		return "the scheduler clips the data that it predicts (clip_sample), which no sampler here does"
	}
	return ""
}

// readScheduler notes what the scheduler of a pipeline says of the path and the output.
func readScheduler(file string, s *settings) error {
	var c scheduler
	if err := weights.ReadJSON(file, &c); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if text := c.sampling(); text != "" {
		s.facts = append(s.facts, Fact{"sampling", text})
	}
	if strings.HasPrefix(c.Class, "FlowMatch") {
		steps := 1000.0
		if c.Steps != nil {
			steps = *c.Steps
		}
		maps.Copy(s.values, map[string]any{"schedule": "condot", "prediction": reversedVelocity,
			"time_scale": -steps, "time_shift": steps})
		return nil
	}
	predictions := map[string]string{"": "noise", "epsilon": "noise", "sample": "data", "v_prediction": "v"}
	prediction := predictions[c.Prediction]
	switch {
	case c.Trained != nil:
		return fmt.Errorf("layout: %s: trained_betas are not read, only beta_schedule", file)
	case c.ZeroSNR:
		return fmt.Errorf("layout: %s: rescale_betas_zero_snr is true; no path here has such betas", file)
	case c.Class != "" && c.Betas == "":
		return fmt.Errorf("layout: %s: the scheduler %s has no beta_schedule; read are those that have one, "+
			"and those of flow matching", file, choice.Quote(c.Class))
	case prediction == "":
		return fmt.Errorf("layout: %s: prediction_type is %s; it must be epsilon, sample or v_prediction", file,
			choice.Quote(c.Prediction))
	}
	s.values["prediction"] = prediction
	if c.Betas != "" {
		s.values["schedule"] = c.Betas
	}
	if c.Betas == "squaredcos_cap_v2" {
		c.Start, c.End = nil, nil
	}
	for key, v := range map[string]*float64{"beta_start": c.Start, "beta_end": c.End, "steps": c.Steps} {
		if v != nil {
			s.values[key] = *v
		}
	}
	return nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, os.ErrNotExist)
}
