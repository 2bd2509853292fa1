package settings

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// width is the number of columns that texts for a terminal fit into.
const width = 100

// Text describes keys for a terminal: a line for each with its type and default, and
// below it what it means.
func Text(keys []Key) string {
	names, types := 0, 0
	for _, k := range keys {
		names, types = max(names, len(k.Name)), max(types, len(kindOf(k)))
	}
	var b strings.Builder
	for _, k := range keys {
		line := fmt.Sprintf("%-*s  %-*s", names, k.Name, types, kindOf(k))
		if k.Default != "" {
			line += "  default " + k.Default
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		for _, l := range comment(k, width-4) {
			b.WriteString("    " + l + "\n")
		}
	}
	return b.String()
}

func kindOf(k Key) string {
	if k.Optional {
		return "optional section"
	}
	return k.Type
}

func oneOf(k Key) string {
	if len(k.Allowed) == 0 {
		return ""
	}
	return "One of " + strings.Join(k.Allowed, ", ") + "."
}

// comment is what there is to say of a key, in lines of at most columns characters where
// words allow.
func comment(k Key, columns int) []string {
	lines := append(wrap(k.Doc, columns), wrap(oneOf(k), columns)...)
	for _, c := range k.Choices {
		for i, l := range wrap(c.String(), columns-2) {
			indent := "  "
			if i == 0 {
				indent = "- "
			}
			lines = append(lines, indent+l)
		}
	}
	return lines
}

// wrap breaks text into lines of at most columns characters, where words allow.
func wrap(text string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Template writes a file to start from: every key with its meaning as a comment and its
// default. Keys without a default and optional sections are comments themselves, to be
// used by taking the first # of their lines away. Read again, it gives the defaults.
func Template(keys []Key) string {
	var b strings.Builder
	optional := "" // the outermost optional section that the key is in, with its dot
	for _, k := range keys {
		if strings.Contains(k.Name, "[]") {
			continue
		}
		if optional != "" && !strings.HasPrefix(k.Name, optional) {
			optional = ""
		}
		section, last := split(k.Name)
		if section == "" && k.Section() {
			b.WriteByte('\n')
		}
		inner := strings.Repeat("  ", strings.Count(k.Name, ".")-strings.Count(optional, ".")+1)
		before := inner[2:]
		if optional != "" {
			before = strings.Repeat("  ", strings.Count(optional, ".")-1) + "# " + inner
		}
		for _, l := range comment(k, max(40, width-len(before)-2)) {
			b.WriteString(before + "# " + l + "\n")
		}
		off, value := "", ""
		if optional == "" && (k.Optional || k.Default == "" && !k.Section()) {
			off = "# "
		}
		if k.Default != "" {
			value = " " + k.Default
		}
		b.WriteString(before + off + textYAML(last) + ":" + value + "\n")
		if optional == "" && k.Optional {
			optional = k.Name + "."
		}
	}
	return strings.TrimLeft(b.String(), "\n")
}

// Markdown describes keys as a page: a heading and a table for each section, below those
// of the file itself.
func Markdown(keys []Key) string {
	var sections []Key
	in := map[string][]Key{}
	sections = append(sections, Key{Type: "section"})
	for _, k := range keys {
		section, _ := split(k.Name)
		in[section] = append(in[section], k)
		if k.Section() || strings.HasPrefix(k.Type, "list of sections") {
			sections = append(sections, k)
		}
	}
	var b strings.Builder
	for _, s := range sections {
		name := s.Name
		if !s.Section() {
			name += "[]"
		}
		if len(in[name]) == 0 {
			continue
		}
		if name != "" {
			fmt.Fprintf(&b, "## %s\n\n", name)
			if s.Doc != "" {
				fmt.Fprintf(&b, "%s\n\n", s.Doc)
			}
			if s.Optional {
				b.WriteString("An optional section.\n\n")
			}
		}
		b.WriteString("| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
		for _, k := range in[name] {
			b.WriteString(row(k))
		}
		b.WriteByte('\n')
		for _, k := range in[name] {
			b.WriteString(choices(k))
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// choices is the list of what a key may be, below its table.
func choices(k Key) string {
	if len(k.Choices) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "What `%s` may be:\n\n", k.Name)
	for _, c := range k.Choices {
		fmt.Fprintf(&b, "- `%s`%s\n", c.Name, strings.TrimPrefix(c.String(), c.Name))
	}
	b.WriteByte('\n')
	return b.String()
}

// row is the line of a key in a Markdown table.
func row(k Key) string {
	_, last := split(k.Name)
	def, meaning := "", k.Doc
	if k.Default != "" {
		def = "`" + k.Default + "`"
	}
	if k.Section() {
		meaning = fmt.Sprintf("See [%s](#%s). %s", k.Name, strings.ReplaceAll(k.Name, ".", ""), meaning)
	}
	if len(k.Allowed) > 0 {
		meaning += " One of `" + strings.Join(k.Allowed, "`, `") + "`."
	}
	cell := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "|", `\|`) }
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", last, k.Type, cell(def), cell(meaning))
}
