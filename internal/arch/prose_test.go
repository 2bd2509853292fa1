package arch_test

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestSentencesForUsersAreShort(t *testing.T) { check(t, sentences) }

func TestLinksOfThePagesLeadSomewhere(t *testing.T) { check(t, links) }

func TestTranslationsHaveTheSameCode(t *testing.T) { check(t, translations) }

// maxWords is the length of the longest sentence in a page for users.
const maxWords = 30

// forUsers says whether a page is written for people who use the program, in English.
func forUsers(name string) bool {
	dir := path.Dir(name)
	return strings.HasSuffix(name, ".md") && !strings.HasSuffix(name, ".zh.md") &&
		(name == "README.md" || dir == "docs" || dir == "docs/guide")
}

// sentences finds sentences of pages for users that have too many words. Code, tables and
// the targets of links are not counted.
func sentences(t *tree) (found []string) {
	for name, text := range t.texts {
		if !forUsers(name) {
			continue
		}
		for _, p := range paragraphs(text) {
			for _, s := range split(p.text) {
				if n := len(strings.Fields(s)); n > maxWords {
					found = append(found, fmt.Sprintf("%s:%d: a sentence of %d words; at most %d: %s",
						name, p.line, n, maxWords, s))
				}
			}
		}
	}
	return found
}

// paragraph is text without markup, and the line of a page where it begins.
type paragraph struct {
	line int
	text string
}

var (
	item    = regexp.MustCompile(`^\s*(?:[-*]|\d+\.)\s+`)
	target  = regexp.MustCompile(`\]\([^)]*\)`)
	tag     = regexp.MustCompile(`<[^>]*>`)
	quoted  = regexp.MustCompile("`[^`]*`")
	heading = regexp.MustCompile(`^#{1,6} +(.*)`)
)

// paragraphs returns what a page says in sentences: paragraphs, items of lists and headings.
func paragraphs(page string) (out []paragraph) {
	open := false // does the last paragraph go on?
	for k, line := range prose(page) {
		bare := strings.TrimSpace(line)
		begins := item.MatchString(line) || heading.MatchString(line)
		switch {
		case bare == "" || strings.HasPrefix(bare, "|"):
			open = false
			continue
		case !open || begins:
			out = append(out, paragraph{line: k + 1})
		}
		last := &out[len(out)-1]
		last.text += " " + target.ReplaceAllString(tag.ReplaceAllString(item.ReplaceAllString(line, ""), ""), "]")
		open = !heading.MatchString(line)
	}
	return out
}

// prose returns the lines of a page with those of code and of raw HTML left empty.
func prose(page string) []string {
	lines := strings.Split(page, "\n")
	fenced := false
	for k, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ") && (k == 0 || strings.TrimSpace(lines[k-1]) == "")
		if fenced || fence || indented {
			lines[k] = ""
		}
		fenced = fenced != fence
	}
	return lines
}

// split cuts a paragraph into sentences: at a full stop, question or exclamation mark
// behind which something new begins. Code counts, but its dots do not end a sentence.
func split(text string) (out []string) {
	text = quoted.ReplaceAllStringFunc(text, func(code string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(".!?", r) {
				return '·'
			}
			return r
		}, code)
	})
	words, from := strings.Fields(text), 0
	for k, word := range words {
		end := strings.TrimRight(word, `)"*_]`)
		if end == "" || !strings.ContainsRune(".!?", rune(end[len(end)-1])) || word == "al." {
			continue
		}
		if k+1 < len(words) {
			if next := strings.TrimLeft(words[k+1], "(*_\""); next != "" && unicode.IsLower([]rune(next)[0]) {
				continue
			}
		}
		out, from = append(out, strings.Join(words[from:k+1], " ")), k+1
	}
	return append(out, strings.Join(words[from:], " "))
}

// link is a target in a page: of Markdown, or of a tag.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)

// links checks that the files, folders and headings of this repository to which pages link
// are there. The template of a page has the links of that page.
func links(t *tree) (found []string) {
	for name, text := range t.texts {
		if !strings.HasSuffix(name, ".md") || strings.Contains(text, "{{") {
			continue
		}
		for k, line := range prose(text) {
			for _, m := range link.FindAllStringSubmatch(quoted.ReplaceAllString(line, ""), -1) {
				to := m[1] + m[2]
				if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
					continue
				}
				file, anchor, _ := strings.Cut(to, "#")
				at := name
				if file != "" {
					at = path.Join(path.Dir(name), file)
				}
				switch {
				case !t.paths[at]:
					found = append(found, fmt.Sprintf("%s:%d: there is no %s", name, k+1, at))
				case anchor != "" && !slices.Contains(slugs(t.texts[at]), anchor):
					found = append(found, fmt.Sprintf("%s:%d: %s has no heading #%s", name, k+1, at, anchor))
				}
			}
		}
	}
	return found
}

// slugs returns the anchors that a forge makes of the headings of a page.
func slugs(page string) (out []string) {
	for _, line := range prose(page) {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		out = append(out, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_", r):
				return unicode.ToLower(r)
			}
			return -1
		}, target.ReplaceAllString(m[1], "]")))
	}
	return out
}

// translations checks that a page in another language has the commands, the code and the
// quoted names of the English one, and that the two link to each other.
func translations(t *tree) (found []string) {
	for name, text := range t.texts {
		english, ok := strings.CutSuffix(name, ".zh.md")
		if !ok {
			continue
		}
		english += ".md"
		if !slices.Equal(code(text), code(t.texts[english])) {
			found = append(found, fmt.Sprintf("%s: its code is not that of %s", name, english))
		}
		for page, other := range map[string]string{name: english, english: name} {
			if !strings.Contains(t.texts[page], "("+path.Base(other)+")") {
				found = append(found, fmt.Sprintf("%s: no link to %s", page, other))
			}
		}
	}
	return found
}

// code returns the lines of code of a page, without comments and the space around, and then
// what stands in backquotes, sorted: languages have orders of their own.
func code(page string) (out []string) {
	var names []string
	lines := strings.Split(page, "\n")
	for k, line := range prose(page) {
		names = append(names, quoted.FindAllString(line, -1)...)
		if line != "" || strings.HasPrefix(lines[k], "```") {
			continue
		}
		line, _, _ = strings.Cut(lines[k], " # ")
		line, _, _ = strings.Cut(line, " // ")
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			out = append(out, line)
		}
	}
	slices.Sort(names)
	return append(out, names...)
}

func TestTheRulesForProseFindFaults(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", maxWords+1))
	const at = "docs/guide/a.md"
	for _, c := range []struct {
		name  string
		rule  rule
		files []string
		want  string // "" for nothing; else part of the one violation
	}{
		{"a long sentence", sentences, []string{at, "# A\n\nShort. L" + long + ".\n"},
			at + ":3: a sentence of 31 words"},
		{"over several lines", sentences, []string{"README.md", strings.ReplaceAll(long, " ", "\n")}, "README.md:1"},
		{"a link begins a sentence", sentences,
			[]string{at, "A " + long[:100] + ". [b](" + at + ") " + long[:100]}, ""},
		{"an item of a list", sentences, []string{at, "- short\n- " + long + "\n"}, at + ":2"},
		{"two sentences", sentences, []string{at, "A " + long[:100] + ". B " + long[:100] + "?\n"}, ""},
		{"dots in code do not end one", sentences, []string{at, long[:70] + " `a. B` " + long[:74]}, at + ":1"},
		{"code, tables and targets", sentences,
			[]string{at, "```sh\n" + long + "\n```\n\n| " + long + " |\n\n[a](x.md \"" + long + "\")\n"}, ""},
		{"pages for others", sentences, []string{"docs/design/a.md", long, "docs/guide/a.zh.md", long}, ""},

		{"a link to a file", links, []string{at, "[b](../b.md), ![c](c.png), [d](https://a.org/d)", "docs/b.md", ""},
			at + ":1: there is no docs/guide/c.png"},
		{"a link to a folder", links, []string{at, "[b](../guide/)"}, ""},
		{"a link to a heading", links, []string{at, "[b](#a-b-c), [c](#c)\n\n## A `b` (C)\n"}, "has no heading #c"},
		{"a link of a tag", links, []string{at, `<img src="c.png">`}, "there is no docs/guide/c.png"},
		{"links in code", links, []string{at, "`[a](b.md)`\n\n```go\nx[i](j)\n```\n"}, ""},

		{"a translation", translations, []string{at, "[zh](a.zh.md)\n```sh\nls # all\n```\n",
			"docs/guide/a.zh.md", "[en](a.md)\n```sh\nls # 全部\n```\n"}, ""},
		{"a translation with another command", translations, []string{at, "[zh](a.zh.md)\n```sh\nls\n```\n",
			"docs/guide/a.zh.md", "[en](a.md)\n```sh\nls -l\n```\n"}, "its code is not that of docs/guide/a.md"},
		{"a translation with another order", translations, []string{at, "[zh](a.zh.md) `b` and `c`\n",
			"docs/guide/a.zh.md", "[en](a.md) `c` `b`\n"}, ""},
		{"a translation with another name", translations, []string{at, "[zh](a.zh.md) `b`\n",
			"docs/guide/a.zh.md", "[en](a.md) `c`\n"}, "its code is not that"},
		{"a translation that nothing leads to", translations, []string{at, "", "docs/guide/a.zh.md", "[en](a.md)"},
			"docs/guide/a.md: no link to docs/guide/a.zh.md"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.rule(source(t, append(c.files, "flow/a.go", "package flow\n")...))
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("got %q, want nothing", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got %q, want one violation with %q", got, c.want)
			}
		})
	}
}
