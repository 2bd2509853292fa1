package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// probe is one of a container.
type probe struct {
	HTTPGet struct{ Path string } `yaml:"httpGet"`
}

// manifest is what a test reads of the manifests of Kubernetes.
type manifest struct {
	Kind string
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Args      []string
					Startup   probe `yaml:"startupProbe"`
					Readiness probe `yaml:"readinessProbe"`
					Liveness  probe `yaml:"livenessProbe"`
					Resources struct{ Limits map[string]string }
				}
			}
		}
	}
}

// TestDeployedCommandsAreOurs: what deploy/ starts has flags that there are, and asks for paths that there are.
func TestDeployedCommandsAreOurs(t *testing.T) {
	const dir = "../../../../deploy/"
	var lines []string
	for _, name := range []string{"Dockerfile", "flowmatch.service"} {
		text, err := os.ReadFile(dir + name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			for _, start := range []string{"#   docker run --rm -p 8080:8080 -v \"$PWD/runs:/runs:ro\" flowmatch ",
				"ExecStart=/usr/local/bin/flowmatch "} {
				if args, ok := strings.CutPrefix(line, start); ok {
					lines = append(lines, args)
				}
			}
		}
	}
	text, err := os.ReadFile(dir + "kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents, kinds := yaml.NewDecoder(bytes.NewReader(text)), ""
	for {
		var m manifest
		if err := documents.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds += m.Kind + " "
		for _, c := range m.Spec.Template.Spec.Containers {
			lines = append(lines, strings.Join(c.Args, " "))
			if c.Startup.HTTPGet.Path != "/readyz" || c.Readiness.HTTPGet.Path != "/readyz" ||
				c.Liveness.HTTPGet.Path != "/livez" || c.Resources.Limits["memory"] == "" {
				t.Errorf("probes and limits: %+v", c)
			}
		}
	}
	if kinds != "PersistentVolumeClaim Deployment Service " || len(lines) != 3 {
		t.Errorf("manifests %sand commands %q", kinds, lines)
	}
	for _, line := range lines {
		if err := parse(line); err != nil {
			t.Errorf("flowmatch %s: %v", line, err)
		}
	}
}
