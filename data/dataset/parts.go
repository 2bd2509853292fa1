package dataset

import "strings"

// part is one of a text such as a=1,b=2: a name and its value, or, where there is no =, what it is.
type part struct {
	name, value string
	ok          bool   // there is a =
	text        string // as it was written
}

// partsOf divides a text at its commas. A name or a value that begins with a quote ends at the next one, and may
// hold commas and =; two quotes in it stand for one. A quote elsewhere is a letter.
func partsOf(text string) (all []part) {
	for more := true; more; {
		var p part
		rest := text
		name, after, quoted := unquoted(rest, "=")
		if quoted {
			p.name, p.ok, rest = name, true, after
		} else if at := strings.IndexAny(rest, ",="); at >= 0 && rest[at] == '=' {
			p.name, p.ok, rest = strings.TrimSpace(rest[:at]), true, rest[at+1:]
		}
		value, after, quoted := unquoted(rest, ",")
		if p.ok && quoted {
			p.value, more = value, len(after) < len(rest) && strings.HasSuffix(rest[:len(rest)-len(after)], ",")
			rest = after
		} else {
			p.value, rest, more = strings.Cut(rest, ",")
		}
		p.text = strings.TrimSuffix(text[:len(text)-len(rest)], ",")
		all, text = append(all, p), rest
	}
	return all
}

// unquoted returns the quoted text that text begins with, and what follows the end behind it; ok: there is such a
// quote, and the end, or of a comma nothing more, follows it.
func unquoted(text, end string) (inside, after string, ok bool) {
	text = strings.TrimLeft(text, " ")
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	var b strings.Builder
	for rest := text[1:]; ; {
		at := strings.IndexByte(rest, '"')
		if at < 0 {
			return "", "", false
		}
		b.WriteString(rest[:at])
		if rest = rest[at+1:]; strings.HasPrefix(rest, `"`) {
			b.WriteByte('"')
			rest = rest[1:]
			continue
		}
		rest = strings.TrimLeft(rest, " ")
		after, found := strings.CutPrefix(rest, end)
		return b.String(), after, found || rest == "" && end == ","
	}
}
