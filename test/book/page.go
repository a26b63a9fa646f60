package book

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Block is a fenced block of a page.
type Block struct {
	Page string // the file's name, without its directory
	Line int    // of its first line, from 1
	Lang string
	Text string
	Do   Do
	Arg  string // what follows the word of the comment
	New  bool   // the hosts are new ones
}

// Do is what is done with a block.
type Do string

// The words of the comments.
const (
	Run    Do = "run"
	File   Do = "file"
	Prints Do = "prints"
	RunBy  Do = "run by"
	NotRun Do = "not run"
	Given  Do = "given" // no block, a line
)

// String is where the block stands.
func (b *Block) String() string { return fmt.Sprintf("docs/%s:%d", b.Page, b.Line) }

// Pages are the pages of a directory, by name.
func Pages(dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.md"))
	for i := range all {
		all[i] = filepath.Base(all[i])
	}
	slices.Sort(all)
	return all, err
}

var (
	comment = regexp.MustCompile(`^<!-- ([a-z ]+?)(?:: (.*?))? -->$`)
	fence   = regexp.MustCompile("^ *```([a-z]*)")
)

// Read reads the blocks of a page. A block without a comment that says what is done with it is an
// error.
func Read(dir, page string) (blocks []Block, err error) {
	text, err := os.ReadFile(filepath.Join(dir, page))
	if err != nil {
		return nil, err
	}
	var open *Block
	said, newHosts := Block{}, true
	for i, line := range strings.Split(string(text), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open != nil && m != nil:
			blocks, open, said = append(blocks, *open), nil, Block{}
		case open != nil:
			open.Text += line + "\n"
		case m != nil:
			open = &Block{Page: page, Line: i + 1, Lang: m[1], Do: said.Do, Arg: said.Arg, New: newHosts}
			newHosts = false
			if err := open.check(); err != nil {
				return nil, err
			}
		case comment.MatchString(line):
			switch c := comment.FindStringSubmatch(line); {
			case c[1] == "new hosts":
				newHosts = true
			case Do(c[1]) == Given:
				host, text, _ := strings.Cut(c[2], " ")
				blocks = append(blocks, Block{Page: page, Line: i + 1, Text: text + "\n", Do: Given, Arg: host, New: newHosts})
				newHosts = false
			default:
				said = Block{Do: Do(c[1]), Arg: c[2]}
			}
		case strings.TrimSpace(line) != "":
			said = Block{}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block has no end", open)
	}
	return blocks, nil
}

func (b *Block) check() error {
	switch b.Do {
	case Run:
		if len(b.Arg) == 1 {
			return nil
		}
		return fmt.Errorf("%s: <!-- run: %s --> names no host: write a, b or c", b, b.Arg)
	case File:
		if host, name, ok := strings.Cut(b.Arg, " "); ok && len(host) == 1 && filepath.IsAbs(name) {
			return nil
		}
		return fmt.Errorf("%s: <!-- file: %s --> names no file: write a host and a path", b, b.Arg)
	case Prints, Given:
		return nil
	case RunBy, NotRun:
		if b.Arg != "" {
			return nil
		}
		return fmt.Errorf("%s: <!-- %s --> does not say by whom, or why: write it behind a colon", b, b.Do)
	}
	return fmt.Errorf("%s: nothing says who runs this block: write <!-- run: HOST -->, <!-- file: HOST PATH -->, <!-- prints -->, <!-- run by: PACKAGE --> or <!-- not run: WHY --> above it (test/book/doc.go)", b)
}
