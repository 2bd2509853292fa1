#!/usr/bin/env bash
# Measures large nets and large data: docs/large.md has the table that it prints.
#   scripts/large.sh DIR [PYTHON]      DIR: where files of some gigabytes may be made; PYTHON: one with pandas, pyarrow
#                                      and torch, which then read the same files in the same run
#   JPEGS=20000 scripts/large.sh DIR   how many JPEGs are made (default 100000); 0: that part is left out
#   ROWS=5000000 ...                   the rows of 20 columns in Parquet (default 125000000, of 20 GB; needs PYTHON), in
#   LIMIT=400 ...                      so many MiB of memory (default 3072); 0 rows: that part is left out
#   UNET=0 ...                         the net of 153 million weights is left out
# Needs GNU time (Debian: time). Nothing is kept but what it prints.
set -euo pipefail
mkdir -p "$1"
dir=$(mktemp -d "$(cd "$1" && pwd)/large.XXXXXX") python=${2:-}
trap 'rm -rf "$dir"' EXIT
jpegs=${JPEGS:-100000} rows=${ROWS:-125000000} limit=${LIMIT:-3072} unet=${UNET:-1}
cd "$(dirname "$0")/.."
here=$PWD
go build -o "$dir/flowmatch" ./cmd/flowmatch
cd "$dir"
export FLOWMATCH_CACHE=$dir/cache
echo "| what | peak of memory | time of the cores | before the first step | steps a second |"
echo "| --- | ---: | ---: | ---: | ---: |"
measure() { # NAME COMMAND...: its peak, the seconds of all cores, and what it says of its steps
	local name=$1
	shift
	env time -f "%M %U %S %e" -o measured "$@" >log 2>&1 || { cat log; exit 1; }
	# A training says how many steps it took, and the seconds of these.
	awk -v name="$name" '
		FILENAME == "log" && $1 == "steps" { steps = $2 }
		FILENAME == "log" && $1 == "seconds" { seconds = $2 }
		FILENAME == "measured" { peak = $1; cores = $2 + $3; clock = $4 }
		END {
			printf "| %s | %.2f GB | %.1f s | ", name, peak * 1024 / 1e9, cores
			if (steps > 1 && seconds > 0) printf "%.1f s | %.3g |\n", clock - seconds, steps / seconds
			else printf "%.1f s | |\n", clock
		}' log measured
}
limited() { ( # NAME MIB COMMAND...: the same within so many MiB of addresses and 1 GiB, which a Go program reserves
	name=$1 mib=$2
	shift 2
	ulimit -v $((1024 * (mib + 1024)))
	GOMEMLIMIT=$((mib * 3 / 4))MiB measure "$name" "$@"
); }
same() { # A B: the runs have the same weights; what comes before them in a file has the time of the training
	local weights=()
	for run in "$1" "$2"; do
		local file=$run/checkpoint.safetensors
		tail -c +$(($(od -An -tu8 -N8 "$file") + 9)) "$file" >"$run/weights"
		weights+=("$run/weights")
	done
	cmp "${weights[@]}" && echo "$1 and $2: the same weights" >&2
}
cat >images.go <<'GO'
package main

import ("bufio"; "fmt"; "math/rand/v2"; "os"; "strings")

func main() { // 600 images of noise, 32x32x3 bytes, 500,000 rows of 20 numbers, and as many of columns of all kinds
	head := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 32, 32, 3), }", 600)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
	b = append(b, head...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 * 32 * 32 * 3 { b = append(b, byte(r.Uint32())) }
	os.WriteFile("images.npy", b, 0o666)
	f, _ := os.Create("table.csv")
	t := bufio.NewWriter(f)
	for d := range 20 { fmt.Fprintf(t, "c%d%c", d, ",\n"[d/19]) }
	for range 500000 { for d := range 20 { fmt.Fprintf(t, "%v%c", r.NormFloat64(), ",\n"[d/19]) } }
	t.Flush()
	f, _ = os.Create("kinds.csv")
	t = bufio.NewWriter(f)
	t.WriteString("id,city,sex,born,visits,height,income,score,rate\n")
	city := strings.Fields("Rome Oslo Bern Lima Cork Kyiv Bonn")
	for i := range 500000 {
		visits := fmt.Sprint(r.IntN(40))
		if i%11 == 0 { visits = "" }
		fmt.Fprintf(t, "%d,%s,%c,19%02d-%02d-%02d,%s,%.1f,%.2f,%v,%v\n", 1000+i, city[r.IntN(7)], "mf"[r.IntN(2)],
			r.IntN(100), 1+r.IntN(12), 1+r.IntN(28), visits, 170+10*r.NormFloat64(), 1000*r.ExpFloat64(),
			r.NormFloat64(), r.Float64())
	}
	t.Flush()
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
unet_net='{unet: {channels: 256, mult: [1, 2, 2, 2], blocks: 2, attention: [16], head_channels: 64, group_channels: 1}}'
cat >unet.yaml <<YAML
seed: 1
data: {path: images.npy, kind: images, val: 8, test: 8}
net: $unet_net
train: {steps: 2, batch: 4, val_every: 0}
YAML
config() { # NAME DATA: a perceptron on a table
	cat >"$1.yaml" <<YAML
seed: 1
data: {$2, val: 1000, test: 1000}
net: {hidden: [256, 256, 256]}
train: {steps: 300, batch: 256, val_every: 0}
YAML
}
config table "path: table.csv"
config kinds "path: kinds.csv, schema: auto"
config parquet "path: rows.parquet"
cat >moons.yaml <<YAML
seed: 1
data: {name: moons}
train: {steps: 100, batch: 64, val_every: 0}
YAML
if [ "$unet" -gt 0 ]; then
	measure "UNet, 153 M weights: 2 steps of 4" ./flowmatch train unet.yaml --out unet
	measure "the same: 2 samples" ./flowmatch sample unet --n 2 --solver euler --steps 1 --out two.npy
	rm -rf unet
	measure "the same: 2 steps of 16" ./flowmatch train unet.yaml --out unet --set train.batch=16
	rm -rf unet
fi
tables() { # NAME WHAT
	for memory in auto disk held; do
		measure "$2, memory: $memory" ./flowmatch train "$1.yaml" --out "$1-$memory" --set data.memory=$memory
	done
	same "$1-disk" "$1-held"
}
peer() { # NAME ARGUMENTS
	[ -z "$python" ] || measure "$@"
}
tables table "500,000 x 20, CSV"
peer "pandas, DataLoader" "$python" "$here/scripts/large.py" csv table.csv
tables kinds "500,000 x 9 of all kinds, CSV"
if [ -n "$python" ] && [ "$rows" -gt 0 ]; then
	"$python" "$here/scripts/large.py" make rows.parquet "$rows"
	for run in first second; do
		limited "$rows x 20, Parquet, $run time, in $limit MiB" "$limit" \
			./flowmatch train parquet.yaml --out parquet-$run --set data.memory=disk
	done
	# Who has the memory for it sees that the rows are the same.
	if [ $((rows * 20 * 8 * 2 / 1000)) -lt "$(awk '/MemAvailable/ {print $2}' /proc/meminfo)" ]; then
		measure "the same, memory: held" ./flowmatch train parquet.yaml --out parquet-held --set data.memory=held
		same parquet-second parquet-held
		peer "pyarrow, DataLoader" "$python" "$here/scripts/large.py" parquet rows.parquet
	fi
	rm -f rows.parquet
	rm -rf cache
fi
if [ "$jpegs" -gt 0 ]; then
	go run jpegs.go "$jpegs"
	cat >jpegs.yaml <<YAML
seed: 1
data: {path: jpegs, kind: folder, size: 64, channels: 3, val: 1000, test: 1000}
net: {hidden: [64]}
train: {steps: 200, batch: 64, val_every: 0}
YAML
	for run in first second; do
		limited "$jpegs JPEGs, $run time, in 1024 MiB" 1024 \
			./flowmatch train jpegs.yaml --out jpegs-$run --set data.memory=disk
	done
	measure "the same, memory: held" ./flowmatch train jpegs.yaml --out jpegs-held --set data.memory=held
	same jpegs-second jpegs-held
	peer "Pillow, DataLoader of 2 workers" "$python" "$here/scripts/large.py" jpegs jpegs
fi
./flowmatch train moons.yaml --out moons -q >log 2>&1
measure "3,000,000 samples of the plane" ./flowmatch sample moons --n 3000000 --solver euler --steps 2 --out big.npy
