// Command report merges the results of full runs of the end-to-end benchmarks: the
// table of docs/performance.md, between its markers, and the charts beside it.
//
//	go run ./bench/report RESULT.json...
//
// Each figure is the median of the runs' medians. With no file it says what it
// wants.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/uvtep/uvtep/bench/result"
)

func main() {
	doc := flag.String("doc", "docs/performance.md", "the document that has the markers")
	charts := flag.String("charts", "docs/charts", "where the charts go")
	flag.Parse()
	if err := run(*doc, *charts, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(doc, charts string, paths []string) error {
	if len(paths) == 0 {
		return errors.New("name the files that UVTEP_BENCH_OUT=FILE.json go test -run '^$' -bench EndToEnd ./bench wrote")
	}
	var files []result.File
	for _, p := range paths {
		f, err := result.Read(p)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	m := result.Merge(files)
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	replaced, err := replaceBetween(string(text), table(&m))
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	if err := os.WriteFile(doc, []byte(replaced), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return err
	}
	return errors.Join(ratioChart(&m, filepath.Join(charts, "ratios.svg")),
		replicationChart(&m, filepath.Join(charts, "replication.svg")),
		latencyChart(&m, filepath.Join(charts, "rtt.svg")))
}
