#!/usr/bin/env bash
# Checks deploy/ as far as this machine can: the build of the Dockerfile gives a static program, which
# serves a run from a folder that holds nothing else (as root), the unit and the manifests are well formed,
# and the image builds where docker does.
# Usage: scripts/check-deploy.sh
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

build=$(sed -n 's/^RUN \(CGO_ENABLED=0 go build .*\)/\1/p' deploy/Dockerfile)
mkdir "$out/root"
eval "${build/ -o \/flowmatch/ -o $out/root/flowmatch}"
if ldd "$out/root/flowmatch" 2> /dev/null; then
	echo "the program of the Dockerfile is not static" >&2
	exit 1
fi
echo "static program, $(stat -c %s "$out/root/flowmatch") bytes"

if [ "$(id -u)" = 0 ]; then
	"$out/root/flowmatch" train examples/moons.yaml --set train.steps=20 --out "$out/root/runs/moons" -q > /dev/null
	chmod -R a+rX "$out"
	chroot --userspec=65532:65532 "$out/root" /flowmatch serve /runs/moons --addr 127.0.0.1:18081 2> "$out/log" &
	service=$!
	for _ in $(seq 50); do curl -sf 127.0.0.1:18081/readyz > /dev/null && break; sleep 0.1; done
	curl -sf 127.0.0.1:18081/v1/models/moons/sample -d '{"n": 2, "seed": 1}' || { cat "$out/log" >&2; exit 1; }
	kill -TERM $service
	wait $service
	echo "served from a folder that holds nothing else, as user 65532"
fi

if command -v systemd-analyze > /dev/null; then
	sed "s#/usr/local/bin/flowmatch#$out/root/flowmatch#" deploy/flowmatch.service > "$out/flowmatch.service"
	systemd-analyze verify "$out/flowmatch.service"
	systemd-analyze security --offline=true "$out/flowmatch.service" | tail -1
fi
if kubectl cluster-info > /dev/null 2>&1; then
	kubectl apply --dry-run=server -f deploy/kubernetes.yaml
else
	echo "no cluster can be reached: the manifests were not checked by one"
fi
if docker info > /dev/null 2>&1; then
	docker build -f deploy/Dockerfile -t flowmatch .
else
	echo "docker does not run here: the image was not built"
fi
