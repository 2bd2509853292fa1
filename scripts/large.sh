#!/usr/bin/env bash
# Measures the memory of a large net and the reading of a large table: docs/large.md has the figures.
#   scripts/large.sh DIR [PYTHON]      DIR: where files of some gigabytes may be made; PYTHON: one with pandas
#   JPEGS=20000 scripts/large.sh DIR   how many JPEGs are made (default 100000); 0: that part is left out
# Needs GNU time (Debian: time). Nothing is kept but what it prints.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd) python=${2:-}
jpegs=${JPEGS:-100000}
cd "$(dirname "$0")/.."
go build -o "$dir/flowmatch" ./cmd/flowmatch
cd "$dir"
export FLOWMATCH_CACHE=$dir/cache
measure() { # NAME COMMAND...: its peak, the seconds of all cores and those on the clock
	local name=$1
	shift
	env time -f "%M %U %S %e" -o measured "$@" >log 2>&1 || { cat log; exit 1; }
	awk -v name="$name" '{printf "%-34s %6.2f GB  %6.1f s of cores  %6.1f s\n", name, $1*1024/1e9, $2+$3, $4}' measured
}
cat >images.go <<'GO'
package main

import ("fmt"; "math/rand/v2"; "os"; "strings")

func main() { // 600 images of noise, 32x32x3 bytes, and 500,000 rows of 20 numbers
	head := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 32, 32, 3), }", 600)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
	b = append(b, head...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 * 32 * 32 * 3 { b = append(b, byte(r.Uint32())) }
	os.WriteFile("images.npy", b, 0o666)
	var t strings.Builder
	for d := range 20 { fmt.Fprintf(&t, "c%d%c", d, ",\n"[d/19]) }
	for range 500000 { for d := range 20 { fmt.Fprintf(&t, "%v%c", r.NormFloat64(), ",\n"[d/19]) } }
	os.WriteFile("table.csv", []byte(t.String()), 0o666)
}
GO
cat >jpegs.go <<'GO'
package main

import ("image"; "image/jpeg"; "math/rand/v2"; "os"; "strconv")

func main() { // so many JPEGs of 96x96 pixels, smooth and in colour, in folders of 1,000
	n, _ := strconv.Atoi(os.Args[1])
	r := rand.New(rand.NewPCG(3, 4))
	img := image.NewRGBA(image.Rect(0, 0, 96, 96))
	for i := range n {
		dir := "jpegs/" + strconv.Itoa(i/1000)
		os.MkdirAll(dir, 0o777)
		var c [9]int
		for k := range c { c[k] = r.IntN(256) }
		for p := range 96 * 96 {
			x, y := p%96, p/96
			for k := range 3 { img.Pix[4*p+k] = byte(c[3*k] + c[3*k+1]*x/96 + c[3*k+2]*y/96 + r.IntN(16)) }
			img.Pix[4*p+3] = 255
		}
		f, _ := os.Create(dir + "/" + strconv.Itoa(i) + ".jpg")
		jpeg.Encode(f, img, nil)
		f.Close()
	}
}
GO
go run images.go
unet='{unet: {channels: 256, mult: [1, 2, 2, 2], blocks: 2, attention: [16], head_channels: 64, group_channels: 1}}'
cat >unet.yaml <<YAML
seed: 1
data: {path: images.npy, kind: images, val: 8, test: 8}
net: $unet
train: {steps: 2, batch: 4, val_every: 0}
YAML
cat >table.yaml <<YAML
seed: 1
data: {path: table.csv, val: 1000, test: 1000}
train: {steps: 1, batch: 64, val_every: 0}
YAML
cat >moons.yaml <<YAML
seed: 1
data: {name: moons}
train: {steps: 100, batch: 64, val_every: 0}
YAML
rm -rf unet table moons cache
measure "UNet, 153 M weights: 2 steps of 4" ./flowmatch train unet.yaml --out unet
measure "the same: 2 samples" ./flowmatch sample unet --n 2 --solver euler --steps 1 --out two.npy
rm -rf unet
measure "500,000 x 20 from CSV: first step" ./flowmatch train table.yaml --out table
for memory in auto disk held; do
	rm -rf table
	measure "the same again, memory: $memory" ./flowmatch train table.yaml --out table --set data.memory=$memory
done
if [ "$jpegs" -gt 0 ]; then
	go run jpegs.go "$jpegs"
	cat >jpegs.yaml <<YAML
seed: 1
data: {path: jpegs, kind: folder, size: 64, channels: 3, val: 1000, test: 1000}
net: {hidden: [64]}
train: {steps: 200, batch: 64, val_every: 100}
YAML
	for memory in disk disk held; do
		rm -rf jpegs-$memory
		(
			# The address space is limited to 4 GiB, of which a Go program takes some in advance; but for held.
			[ $memory = held ] || ulimit -v 4194304
			measure "$jpegs JPEGs, memory: $memory" ./flowmatch train jpegs.yaml --out jpegs-$memory \
				--set data.memory=$memory
		)
	done
	cmp jpegs-disk/checkpoint.safetensors jpegs-held/checkpoint.safetensors && echo "the same weights"
fi
if [ -n "$python" ]; then
	measure "pandas imported" "$python" -c 'import pandas'
	measure "pandas: the same table read" "$python" -c 'import pandas; pandas.read_csv("table.csv")'
fi
./flowmatch train moons.yaml --out moons -q >log 2>&1
measure "3,000,000 samples of the plane" ./flowmatch sample moons --n 3000000 --solver euler --steps 2 --out big.npy
rm -rf table moons cache jpegs jpegs-disk jpegs-held jpegs.go jpegs.yaml images.go images.npy table.csv two.npy big.npy log measured unet.yaml table.yaml moons.yaml flowmatch
