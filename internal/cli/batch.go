package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// batchFlag reports whether an option is the batch's own, and not for its commands.
func batchFlag(arg string) bool { return strings.HasPrefix(arg, "--batch=") || arg == "--force" }

// runBatch runs the commands of a file, a line each, as `ip -batch` and `bridge
// -batch` do (do_batch in lib/utils.c): with the options of the batch, up to the
// first that fails, or with --force all of them. The status is that of the first
// that failed.
func (a *app) runBatch(ctx context.Context) error {
	var in io.Reader = os.Stdin
	if a.batch != "-" {
		f, err := os.Open(a.batch)
		if err != nil {
			return fmt.Errorf("batch: %w", err)
		}
		defer f.Close()
		in = f
	}
	status := exitDone
	lines := &batchLines{Scanner: bufio.NewScanner(in)}
	for lines.next() {
		words, err := batchWords(lines.text)
		if err == nil && len(words) > 0 {
			err = a.batchLine(ctx, words)
		}
		if err == nil {
			continue
		}
		failed := report(a.err, fmt.Errorf("%s:%d: %w", a.batch, lines.first, err))
		if status == exitDone {
			status = failed
		}
		if !a.force {
			break
		}
	}
	switch err := lines.Err(); {
	case lines.long:
		return usagef("%s:%d: the command has more than %d bytes: write it shorter", a.batch, lines.first, bufio.MaxScanTokenSize)
	case err != nil:
		return fmt.Errorf("batch %s: %w", a.batch, err)
	case status != exitDone:
		return exitStatus(status)
	}
	return nil
}

func (a *app) batchLine(ctx context.Context, words []string) error {
	args, err := normalise(words)
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(args, batchFlag), slices.Contains(args[:min(1, len(args))], "run"):
		return usagef("a batch has link, fdb and neigh commands, and no daemon and no batch of its own")
	case len(args) == 0, strings.HasPrefix(args[0], "-"):
		return usagef("no command: write link or fdb and what follows")
	}
	err = run(ctx, append(slices.Clone(a.batchOptions), words...), a.out, a.err)
	if status, ok := errors.AsType[exitStatus](err); ok {
		return fmt.Errorf("failed: %w", status)
	}
	return err
}

// batchLines are the lines of a batch: one that ends in a backslash goes on in
// the next (getcmdline in lib/utils.c).
type batchLines struct {
	*bufio.Scanner
	text        string
	first, last int // the number of its first line and of its last
	long        bool
}

func (b *batchLines) next() bool {
	b.text, b.first = "", b.last+1
	for b.Scan() {
		b.last++
		line, more := strings.CutSuffix(b.Text(), `\`)
		if b.text += line; !more {
			return true
		}
		if len(b.text) > bufio.MaxScanTokenSize {
			b.long = true
			return false
		}
	}
	return b.text != ""
}

// batchWords splits a line: blanks part words, quotes keep them together, #
// begins a comment.
func batchWords(line string) ([]string, error) {
	var words []string
	for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimSpace(line) {
		if q := line[0]; q == '"' || q == '\'' {
			word, rest, ok := strings.Cut(line[1:], string(q))
			if !ok {
				return nil, usagef("a quote without its end: %s", line)
			}
			words, line = append(words, word), rest
			continue
		}
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		words, line = append(words, line[:end]), line[end:]
	}
	return words, nil
}
