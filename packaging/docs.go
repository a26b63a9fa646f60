package packaging

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/uvtep/uvtep/internal/cli"
)

// ManPages writes a page for each command to dir.
func ManPages(dir string, r Release) error {
	root := cli.Command()
	forMan(root)
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &r.Time, Source: "uvtep " + r.Version, Manual: "uvtep"}, dir); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	for _, page := range pages {
		text, rerr := os.ReadFile(page)
		err = errors.Join(err, rerr, os.WriteFile(page, roff(text, r.Time), 0o644))
	}
	return err
}

// roff is a page as man(7) has it: cobra sets what an option means off with a tab, and writes the date without a day.
func roff(page []byte, date time.Time) []byte {
	page = regexp.MustCompile(`(?m)^\t(.*)$`).ReplaceAll(page, []byte(".RS 4\n$1\n.RE"))
	return bytes.Replace(page, []byte(date.Format(`"Jan 2006"`)), []byte(date.UTC().Format(`"2006-01-02"`)), 1)
}

// forMan makes Markdown of the texts, as cobra expects.
func forMan(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true // it has the day of the build
	cmd.Long = markdown(cmd.Long)
	for _, c := range cmd.Commands() {
		forMan(c)
	}
}

// markdown leaves paragraphs that are laid out by hand, such as command lines and lists, as they are, and lets others flow.
func markdown(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if strings.HasPrefix(p, "uvtep ") || strings.HasPrefix(p, " ") || strings.Contains(p, "\n ") || strings.Contains(p, "  ") {
			paragraphs[i] = "```\n" + p + "\n```"
			continue
		}
		paragraphs[i] = regexp.MustCompile("[\\\\`*_{}\\[\\]<>#|]").ReplaceAllString(p, `\$0`)
	}
	return strings.Join(paragraphs, "\n\n")
}

// Completions writes the scripts of the shells to dir, each by the name that its shell looks for.
func Completions(dir string) error {
	root := cli.Command()
	for name, write := range map[string]func(io.Writer) error{
		"uvtep":      func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"_uvtep":     root.GenZshCompletion,
		"uvtep.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := write(f); err != nil {
			_ = f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// compress replaces a file by one that gzip has compressed, without name and time.
func compress(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := os.Create(name + ".gz")
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w.ModTime = time.Time{}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.Remove(name)
}
