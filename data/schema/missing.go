package schema

import "strings"

// absent are the texts that say that a value is missing, in small letters.
var absent = map[string]bool{
	"": true, "na": true, "n/a": true, "#n/a": true, "#n/a n/a": true, "#na": true, "n.a.": true, "<na>": true,
	"nan": true, "-nan": true, "nat": true, "null": true, "#null!": true, "none": true, "nil": true, "\\n": true,
	"?": true, "-": true, "--": true, ".": true, "missing": true,
}

// IsMissing says whether a text says that a value is missing.
func IsMissing(text string) bool { return len(text) < 10 && absent[strings.ToLower(text)] }
