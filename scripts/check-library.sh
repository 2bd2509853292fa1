#!/usr/bin/env bash
# Uses the library as another module does: with exported names only, from a folder
# outside of this tree, and checks what a program that does so links.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp scripts/library/* "$dir"
cp go.sum "$dir"
cd "$dir"
go mod init example.org/own
go mod edit -require flowmatch@v0.0.0 -replace "flowmatch=$tree"
go mod tidy
go vet ./...
go test ./...

# What belongs to the command alone must not be linked into a program that uses the library.
linked=$(go list -deps -test -f '{{with .Module}}{{.Path}}{{end}}' . | sort -u)
for module in github.com/spf13/cobra github.com/spf13/pflag github.com/schollz/progressbar/v3 gonum.org/v1/plot github.com/mmcloughlin/avo; do
  if grep -qx "$module" <<< "$linked"; then
    echo "a program that uses the library links $module" >&2
    exit 1
  fi
done
echo "a program that trains, samples and evaluates links these modules beside its own and flowmatch:"
grep -vx -e flowmatch -e example.org/own <<< "$linked"
