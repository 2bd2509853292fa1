#!/usr/bin/env bash
# Makes data/simulator/testdata/moments.json, which the simulators are tested against, with
# sbibm 1.1.0 itself. Needs python3 with venv. SBIBM_VENV names the folder of the Python
# environment, which is made if need be. Takes some minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${SBIBM_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/flowmatch/sbibm-venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c "import numpy, pandas, pyro, scipy, torch, tqdm" 2>/dev/null ||
	"$venv/bin/pip" install --quiet numpy pandas pyro-ppl scipy torch tqdm
# What sbibm asks for besides is for its algorithms, and a Julia.
"$venv/bin/python" -c "import sbibm" 2>/dev/null || "$venv/bin/pip" install --quiet --no-deps sbibm==1.1.0
out=$here/../data/simulator/testdata/moments.json
"$venv/bin/python" -W ignore "$here/sbibm-fixtures.py" "$out.new"
mv "$out.new" "$out"
